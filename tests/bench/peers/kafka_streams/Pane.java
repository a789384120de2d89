package bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.util.Utf8;

/**
 * Ten seconds of one stage, channel, touchpoint and segment, in the bytes that the store keeps.
 *
 * <p>They are those of the row in ClickHouse's format RowBinary, so that nothing has to be encoded for an insert:
 * counts, three histograms, customers, and the map of revenue by currency at the end.
 */
final class Pane {
    static final long MILLISECONDS = 10_000;
    static final String KEY_COLUMNS = "pane_start, stage, channel, touchpoint, segment";
    static final String COLUMNS =
            "touches, success, failure, abandoned, purchases, duration_n, duration_sum_ms, sentiment_n,"
                    + " sentiment_sum_micro, nps_counts, csat_counts, ces_counts, customers, revenue_minor_by_currency";

    private static final int LONG = Long.BYTES;
    private static final int TOUCHES = 0;
    private static final int PURCHASES = 4 * LONG;
    private static final int DURATION_N = 5 * LONG;
    private static final int DURATION_SUM = 6 * LONG;
    private static final int SENTIMENT_N = 7 * LONG;
    private static final int SENTIMENT_SUM = 8 * LONG;
    private static final int NPS = 9 * LONG;
    private static final int CSAT = NPS + 1 + 11 * LONG;
    private static final int CES = CSAT + 1 + 5 * LONG;
    private static final int CUSTOMERS = CES + 1 + 7 * LONG;
    private static final int CURRENCIES = CUSTOMERS + LONG;
    private static final int CODE = 3; // letters of a currency
    private static final int AMOUNT = 1 + CODE + LONG; // length of the code, code, amount

    private static final Utf8 PURCHASE = new Utf8("purchase");
    private static final Utf8[] OUTCOMES = {new Utf8("success"), new Utf8("failure"), new Utf8("abandoned")};

    private ByteBuffer bytes;

    /** A copy of what the store has, or an empty pane for null. */
    Pane(byte[] stored) {
        byte[] own = stored == null ? new byte[CURRENCIES + 1] : stored.clone();
        bytes = ByteBuffer.wrap(own).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(NPS, (byte) 11).put(CSAT, (byte) 5).put(CES, (byte) 7);
    }

    byte[] stored() {
        return bytes.array();
    }

    /** Count one event. */
    void add(GenericRecord event, boolean newCustomer) {
        add(TOUCHES, 1);
        add(CUSTOMERS, newCustomer ? 1 : 0);
        outcome(event.get(7));
        amount(DURATION_N, DURATION_SUM, (Long) event.get(8));
        Double sentiment = (Double) event.get(9);
        amount(SENTIMENT_N, SENTIMENT_SUM, sentiment == null ? null : Long.valueOf(Math.round(sentiment * 1e6)));
        answer(NPS, 0, event.get(10));
        answer(CSAT, 1, event.get(11));
        answer(CES, 1, event.get(12));
        if (event.get(13) != null) {
            revenue((Utf8) event.get(14), (Long) event.get(13));
            add(PURCHASES, PURCHASE.equals(event.get(6)) ? 1 : 0);
        }
    }

    private void outcome(Object outcome) {
        for (int at = 0; at < OUTCOMES.length; at++) {
            add((1 + at) * LONG, OUTCOMES[at].equals(outcome) ? 1 : 0);
        }
    }

    private void amount(int count, int sum, Long value) {
        if (value != null) {
            add(count, 1);
            add(sum, value);
        }
    }

    private void answer(int histogram, int lowest, Object answer) {
        if (answer != null) {
            add(histogram + 1 + ((Integer) answer - lowest) * LONG, 1);
        }
    }

    private void revenue(Utf8 currency, long amount) {
        int count = bytes.get(CURRENCIES);
        int at = CURRENCIES + 1;
        byte[] code = currency.getBytes();
        for (int number = 0; number < count; number++, at += AMOUNT) {
            if (Arrays.equals(bytes.array(), at + 1, at + 1 + CODE, code, 0, CODE)) {
                add(at + 1 + CODE, amount);
                return;
            }
        }
        bytes = ByteBuffer.wrap(Arrays.copyOf(bytes.array(), at + AMOUNT)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(CURRENCIES, (byte) (count + 1));
        bytes.put(at, (byte) CODE).put(at + 1, code, 0, CODE);
        add(at + 1 + CODE, amount);
    }

    private void add(int at, long value) {
        bytes.putLong(at, bytes.getLong(at) + value);
    }

    /** The key of the pane that an event falls into: the row's key columns in RowBinary. */
    static byte[] key(GenericRecord event) {
        int length = LONG;
        for (int field = 2; field <= 5; field++) {
            length += 1 + ((Utf8) event.get(field)).getByteLength();
        }
        ByteBuffer key = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        key.putLong(Math.floorDiv((Long) event.get(0), MILLISECONDS) * MILLISECONDS);
        for (int field = 2; field <= 5; field++) {
            Utf8 name = (Utf8) event.get(field);
            key.put((byte) name.getByteLength()).put(name.getBytes(), 0, name.getByteLength());
        }
        return key.array();
    }
}
