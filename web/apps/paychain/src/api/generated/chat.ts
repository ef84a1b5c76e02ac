// Generated from the chat service's /openapi.json; to write it anew: npm run api -w paychain

export interface paths {
    "/api/chat/conversations": {
        parameters: { query?: never; header?: never; path?: never; cookie?: never };
        get: {
        parameters: { query?: { cursor?: string; limit?: number }; header?: never; path?: never; cookie?: never };
        requestBody?: never;
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["ConversationList"] } } };
    };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/chat/{user_id}/messages": {
        parameters: { query?: never; header?: never; path?: never; cookie?: never };
        get: {
        parameters: { query?: { before?: number; limit?: number }; header?: never; path: { user_id: string }; cookie?: never };
        requestBody?: never;
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["MessageList"] } } };
    };
        put?: never;
        post: {
        parameters: { query?: never; header?: { "Idempotency-Key"?: string }; path: { user_id: string }; cookie?: never };
        requestBody: { content: { "application/json": { message: string } } };
        responses: { 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Message"] } } };
    };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/chat/{user_id}/read": {
        parameters: { query?: never; header?: never; path?: never; cookie?: never };
        get?: never;
        put?: never;
        post: {
        parameters: { query?: never; header?: { "Idempotency-Key"?: string }; path: { user_id: string }; cookie?: never };
        requestBody: { content: { "application/json": { message_id: number } } };
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Position"] } } };
    };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/chat/blocks": {
        parameters: { query?: never; header?: never; path?: never; cookie?: never };
        get: {
        parameters: { query?: { cursor?: string; limit?: number }; header?: never; path?: never; cookie?: never };
        requestBody?: never;
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["BlockList"] } } };
    };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/chat/blocks/{user_id}": {
        parameters: { query?: never; header?: never; path?: never; cookie?: never };
        get: {
        parameters: { query?: never; header?: never; path: { user_id: string }; cookie?: never };
        requestBody?: never;
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Block"] } } };
    };
        put: {
        parameters: { query?: never; header?: never; path: { user_id: string }; cookie?: never };
        requestBody?: never;
        responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Block"] } } };
    };
        post?: never;
        delete: {
        parameters: { query?: never; header?: never; path: { user_id: string }; cookie?: never };
        requestBody?: never;
        responses: { 204: { headers: { [name: string]: unknown }; content?: never } };
    };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        Message: { id: number; from_user_id: number | string; to_user_id: number | string; message: string; timestamp: string; read: boolean };
        MessageList: { items: components["schemas"]["Message"][]; next: number | null };
        Conversation: { user_id: number | string; last_message: components["schemas"]["Message"]; unread_count: number; last_read_id: number | null; peer_last_read_id: number | null };
        ConversationList: { items: components["schemas"]["Conversation"][]; next: string | null };
        Block: { user_id: number | string; created_at: string };
        BlockList: { items: components["schemas"]["Block"][]; next: string | null };
        Position: { message_id: number; unread_count: number };
    };
}
