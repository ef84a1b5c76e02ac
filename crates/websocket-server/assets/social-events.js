// What the back end of the social demo sends, and how the page puts events of posts and orders into words. No DOM.

import { line } from "./social-bell.js";

/** The events that the page shows, by namespace (contract: socketio). */
export const SHOWN = {
  sns: ["publish_started", "publish_success", "publish_failed", "post_liked", "post_commented"],
  orders: ["order_updated", "shipment_update", "delivery_confirmed"],
};

const PEOPLE = ["Mara", "Jonas", "Aiko", "Tomás"];
const NOTES = [
  ["Payout on its way", "$120.00 for July will be there tomorrow"],
  ["New sign-in", "From a phone in Lyon"],
  ["Your export is ready", "12 pages, kept for a week"],
];

/** What can be sent: its name on the form, its type, and its data for the n-th time. */
export const KINDS = [
  {
    key: "notification", label: "Notification", type: "notification",
    data: (n) => ({ id: `demo-${n}`, title: NOTES[n % NOTES.length][0], message: NOTES[n % NOTES.length][1] }),
  },
  { key: "liked", label: "Like", type: "post_liked", data: (n) => ({ post_id: "p-17", name: PEOPLE[n % PEOPLE.length], likes: 40 + n }) },
  { key: "commented", label: "Comment", type: "post_commented", data: (n) => ({ post_id: "p-17", name: PEOPLE[n % PEOPLE.length], comment: "Where was this taken?" }) },
  { key: "published", label: "Published", type: "publish_success", data: () => ({ post_id: "p-18", platforms: ["web", "newsletter"] }) },
  { key: "order", label: "Order", type: "order_updated", data: () => ({ order_id: "o-204", status: "packed" }) },
  { key: "shipment", label: "Shipment", type: "shipment_update", data: () => ({ order_id: "o-204", status: "out for delivery", carrier: "Parcel Post" }) },
  { key: "delivered", label: "Delivered", type: "delivery_confirmed", data: () => ({ order_id: "o-204", received_by: "Reception" }) },
];

/** The publication of a kind for a user, the n-th. */
export function publicationOf(kind, user, n) {
  const { type, data } = KINDS.find(({ key }) => key === kind);
  return { type, user_id: user, data: data(n) };
}

/** Words by type: title, the line below it, and how it is marked (`info`, `success`, `error`). */
const WORDS = {
  publish_started: (data) => ["Publishing", join(post(data), on(data)), "info"],
  publish_success: (data) => ["Published", join(post(data), on(data)), "success"],
  publish_failed: (data) => ["Not published", join(post(data), line(data.error) || "No cause was given"), "error"],
  post_liked: (data) => [`${somebody(data)} likes your post`, join(post(data), count(data.likes, "like")), "info"],
  post_commented: (data) => [`${somebody(data)} wrote a comment`, join(post(data), line(data.comment)), "info"],
  order_updated: (data) => [order(data), capital(line(data.status)) || "Changed", "info"],
  shipment_update: (data) => [`${order(data)} is moving`, join(capital(line(data.status)), line(data.carrier)), "info"],
  delivery_confirmed: (data) => [`${order(data)} was delivered`, line(data.received_by) && `Received by ${line(data.received_by)}`, "success"],
};

/** An event in words: `{title, text, mark}`. Whatever its data is. */
export function inWords(type, data) {
  const [title, text, mark] = WORDS[type](typeof data === "object" && data !== null ? data : {});
  return { title, text: text || "", mark };
}

const join = (...parts) => parts.filter(Boolean).join(" · ");
const post = (data) => (line(data.post_id) ? `Post ${line(data.post_id)}` : "");
const order = (data) => (line(data.order_id) ? `Order ${line(data.order_id)}` : "An order");
const somebody = (data) => line(data.name) || (line(data.user_id) ? `User ${line(data.user_id)}` : "Somebody");
const on = ({ platforms }) => (Array.isArray(platforms) && platforms.length > 0 ? `On ${platforms.slice(0, 5).map(line).filter(Boolean).join(", ")}` : "");
const count = (number, word) => (Number.isSafeInteger(number) ? `${number} ${number === 1 ? word : `${word}s`}` : "");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
