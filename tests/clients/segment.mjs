// Segment's SDK for Node: what a server of a shop sends. Arguments: the gateway's address and a write key.
import { createRequire } from "node:module";

const { Analytics } = createRequire(`${process.env.NODE_MODULES}/`)("@segment/analytics-node");
const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, path: "/v1/batch", flushAt: 100, maxRetries: 0 });
const failed = [];
analytics.on("error", (error) => failed.push(error));
const userId = "node-customer", anonymousId = "node-visitor";
analytics.page({ anonymousId, name: "Home" });
analytics.identify({ userId, anonymousId, traits: { plan: "free" } });
const order = { order_id: "node-1", total: 19.99, currency: "EUR" };
analytics.track({ userId, event: "Order Completed", properties: order });
analytics.track({ userId, event: "Order Completed", properties: order }); // under another messageId
await analytics.closeAndFlush({ timeout: 10000 });
if (failed.length) throw new Error(JSON.stringify(failed));
