package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** Decodes events: of each only the fields that panes need, into one record that is used again. Not for several threads. */
final class Touchpoints {
    static final List<String> FIELDS = List.of(
            "occurred_at", "customer_id", "stage", "channel", "touchpoint", "segment", "action", "outcome",
            "duration_ms", "sentiment", "nps", "csat", "ces", "revenue_minor", "currency");
    private static final int HEADER_BYTES = 10; // of an Avro single object

    private final GenericDatumReader<GenericRecord> reader;
    private BinaryDecoder decoder;
    private GenericRecord event;

    private Touchpoints(Schema writer) {
        List<Schema.Field> fields = new ArrayList<>();
        for (String name : FIELDS) {
            Schema.Field field = writer.getField(name);
            fields.add(new Schema.Field(name, field.schema(), field.doc(), field.defaultVal()));
        }
        Schema needed = Schema.createRecord(writer.getName(), writer.getDoc(), writer.getNamespace(), false, fields);
        reader = new GenericDatumReader<>(writer, needed);
    }

    static Schema schema(String file) throws IOException {
        return new Schema.Parser().parse(Files.readString(Path.of(file)));
    }

    static Touchpoints writtenWith(Schema writer) {
        return new Touchpoints(writer);
    }

    /** The event; its fields stand at their places in FIELDS. The next call changes it. */
    GenericRecord decoded(byte[] value) {
        try {
            decoder = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, decoder);
            event = reader.read(event, decoder);
            return event;
        } catch (IOException error) {
            throw new IllegalArgumentException("an event can't be decoded", error);
        }
    }
}
