package bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.util.Utf8;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One partition's panes, in a store; every half second it hands the rows of those that changed to the writer. */
final class PaneProcessor extends ContextualProcessor<byte[], byte[], Void, Void> {
    static final String PANES = "panes";
    static final String CUSTOMERS = "customers";
    private static final Duration FLUSH = Duration.ofMillis(500);
    private static final byte[] SEEN = {};

    private final Touchpoints touchpoints;
    private final ClickHouseWriter writer;
    private final Set<Bytes> changed = new HashSet<>();
    private KeyValueStore<Bytes, byte[]> panes;
    private KeyValueStore<Bytes, byte[]> customers;
    private long events;
    private long unwritten;

    PaneProcessor(Touchpoints touchpoints, ClickHouseWriter writer) {
        this.touchpoints = touchpoints;
        this.writer = writer;
    }

    @Override
    public void init(org.apache.kafka.streams.processor.api.ProcessorContext<Void, Void> context) {
        super.init(context);
        panes = context.getStateStore(PANES);
        customers = context.getStateStore(CUSTOMERS);
        context.schedule(FLUSH, PunctuationType.WALL_CLOCK_TIME, now -> flush());
        writer.readable();
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
        GenericRecord event = touchpoints.decoded(message.value());
        Bytes key = Bytes.wrap(Pane.key(event));
        Pane pane = new Pane(panes.get(key));
        pane.add(event, isNew((Utf8) event.get(1), key.get()));
        panes.put(key, pane.stored());
        changed.add(key);
        events++;
        unwritten++;
    }

    private boolean isNew(Utf8 customer, byte[] pane) {
        byte[] key = Arrays.copyOf(customer.getBytes(), customer.getByteLength() + pane.length);
        System.arraycopy(pane, 0, key, customer.getByteLength(), pane.length);
        return customers.putIfAbsent(Bytes.wrap(key), SEEN) == null;
    }

    private void flush() {
        if (unwritten == 0) {
            return;
        }
        int lane = context().taskId().partition();
        ClickHouseWriter.Rows rows = new ClickHouseWriter.Rows(unwritten);
        for (Bytes key : changed) {
            byte[] pane = panes.get(key);
            ByteBuffer rest = ByteBuffer.allocate(Integer.BYTES + Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            rows.add(key.get(), pane, rest.putInt(lane).putLong(events).array());
        }
        writer.write(rows);
        changed.clear();
        unwritten = 0;
    }
}
