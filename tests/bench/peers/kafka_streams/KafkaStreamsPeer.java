package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Panes with Kafka Streams: a processor for each partition, with its state in stores in memory.
 *
 * <p>The topic is keyed by customer, and panes of partitions add up, also their customers; so nothing has to go through
 * another topic, as it would with groupBy. Stores have no changelog: ours, too, is measured without recovery.
 */
public final class KafkaStreamsPeer {
    private static final int RECORDS_AT_A_TIME = 10_000;

    private KafkaStreamsPeer() {}

    /** From the moment in which the first event could be read to the last acknowledged row. Times in seconds. */
    private record Measured(double startedAt, double endedAt, double cpuSeconds) {}

    /**
     * Arguments: the schema's file, and the job in JSON.
     *
     * <p>The job is done twice, and the second time counts: a stream processor runs for months, and Java compiles a
     * program while it runs.
     */
    public static void main(String[] arguments) throws Exception {
        Schema schema = Touchpoints.schema(arguments[0]);
        JsonNode job = new ObjectMapper().readTree(arguments[1]);
        String name = job.get("name").asText();
        measured(schema, job, name + "-warm-up");
        ClickHouseWriter.empty(job.get("clickhouse_url").asText());
        Measured counted = measured(schema, job, name);
        System.out.printf(
                Locale.ROOT,
                "{\"events\":%d,\"started_at\":%.3f,\"ended_at\":%.3f,\"cpu_seconds\":%.3f,\"rss_peak_bytes\":%d,"
                        + "\"passes\":2}%n",
                job.get("events").asLong(), counted.startedAt, counted.endedAt, counted.cpuSeconds,
                residentPeakBytes());
    }

    private static Measured measured(Schema schema, JsonNode job, String name) throws Exception {
        ClickHouseWriter writer = new ClickHouseWriter(job.get("clickhouse_url").asText());
        Topology topology = topology(job.get("topic").asText(), schema, writer);
        try (KafkaStreams streams = new KafkaStreams(topology, settings(job, name))) {
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
                return null;
            });
            streams.start();
            writer.awaitReadable();
            double startedAt = seconds();
            long cpuNanoseconds = cpuNanoseconds();
            writer.insert(job.get("events").asLong());
            return new Measured(startedAt, seconds(), (cpuNanoseconds() - cpuNanoseconds) / 1e9);
        }
    }

    private static Topology topology(String topic, Schema schema, ClickHouseWriter writer) {
        ProcessorSupplier<byte[], byte[], Void, Void> supplier = new ProcessorSupplier<>() {
            @Override
            public Processor<byte[], byte[], Void, Void> get() {
                return new PaneProcessor(Touchpoints.writtenWith(schema), writer);
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(inMemory(PaneProcessor.PANES), inMemory(PaneProcessor.CUSTOMERS));
            }
        };
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        return new Topology().addSource("events", bytes, bytes, topic).addProcessor("measure", supplier, "events");
    }

    private static StoreBuilder<?> inMemory(String name) {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray())
                .withLoggingDisabled();
    }

    private static Properties settings(JsonNode job, String name) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("kafka").asText());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, job.get("directory").asText());
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 2 * RECORDS_AT_A_TIME);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), RECORDS_AT_A_TIME);
        settings.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false); // the local broker has them registered for ever
        // The local broker lets the first join wait half of the session's time, and looks for new data only every half
        // of the fetch's.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 6000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 2000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 50);
        return settings;
    }

    private static double seconds() {
        return System.currentTimeMillis() / 1e3;
    }

    private static long cpuNanoseconds() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static long residentPeakBytes() throws Exception {
        String line = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(one -> one.startsWith("VmHWM:"))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
    }
}
