package bench;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;

/** Inserts what all partitions hand over, together, in a thread of its own, while they go on. */
final class ClickHouseWriter {
    private static final String INSERT = "INSERT INTO panes (" + Pane.KEY_COLUMNS + ", " + Pane.COLUMNS
            + ", lane, version) FORMAT RowBinary";
    private static final int WAITING_MAX = 64;

    private final BlockingQueue<Rows> waiting = new ArrayBlockingQueue<>(WAITING_MAX);
    private final CountDownLatch readable = new CountDownLatch(1);
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final String url;

    /** Rows in RowBinary, and how many events are in them that were in none before. */
    static final class Rows {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final long events;

        Rows(long events) {
            this.events = events;
        }

        void add(byte[]... columns) {
            for (byte[] column : columns) {
                bytes.writeBytes(column);
            }
        }
    }

    ClickHouseWriter(String url) {
        this.url = url;
    }

    /** Leave no row in the table. */
    static void empty(String url) throws Exception {
        post(HttpClient.newHttpClient(), url, "TRUNCATE TABLE panes", new byte[0]);
    }

    /** Say that events may be read from now on. */
    void readable() {
        readable.countDown();
    }

    void awaitReadable() throws InterruptedException {
        readable.await();
    }

    /** Hand rows over; waits while too many are waiting. */
    void write(Rows rows) {
        try {
            waiting.put(rows);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    /** Insert until so many events are in acknowledged rows. */
    void insert(long events) throws Exception {
        for (long written = 0; written < events; ) {
            List<Rows> together = new ArrayList<>(List.of(waiting.take()));
            waiting.drainTo(together);
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            for (Rows rows : together) {
                rows.bytes.writeTo(body);
                written += rows.events;
            }
            post(client, url, INSERT, body.toByteArray());
        }
    }

    private static void post(HttpClient client, String url, String statement, byte[] body) throws Exception {
        String user = URI.create(url).getUserInfo();
        HttpRequest request = HttpRequest.newBuilder(address(url, statement))
                .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(user.getBytes(StandardCharsets.UTF_8)))
                .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                .build();
        HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException("ClickHouse answers " + answer.statusCode() + ": " + answer.body());
        }
    }

    private static URI address(String url, String statement) {
        URI parsed = URI.create(url);
        String database = parsed.getPath().substring(1);
        String query = "database=" + encoded(database) + "&query=" + encoded(statement);
        return URI.create("http://" + parsed.getHost() + ":" + parsed.getPort() + "/?" + query);
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
