// The shapes of the chat service's answers that the app uses, by their generated types.

import type { components } from "../api/generated/chat";

export type ChatMessage = components["schemas"]["Message"];
export type MessageList = components["schemas"]["MessageList"];
export type Conversation = components["schemas"]["Conversation"];
export type ConversationList = components["schemas"]["ConversationList"];
