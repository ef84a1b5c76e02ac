// Generated from the user service's /openapi.json; to write it anew: npm run api -w paychain

export interface paths {
    "/.well-known/jwks.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The public keys of access tokens, from memory. */
        get: operations["jwks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign in. */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the session of a refresh token of one's own. */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/logout-all": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End all sessions of one's own. */
        post: operations["logout_all"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Get the next pair of tokens. The old refresh token is void; using it again ends the session. */
        post: operations["refresh"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an account and sign in. */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who one is. */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Take another name. */
        patch: operations["rename"];
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A public key (RFC 8037). */
        Key: {
            /** @example EdDSA */
            alg: string;
            /** @example Ed25519 */
            crv: string;
            kid: string;
            /** @example OKP */
            kty: string;
            /** @example sig */
            use: string;
            x: string;
        };
        /** @description A JWK Set (RFC 7517). */
        KeySet: {
            keys: components["schemas"]["Key"][];
        };
        /** @description Body of login. */
        Login: {
            /** @example anna@example.com */
            email: string;
            password: string;
        };
        /** @description Answer to refresh. */
        Pair: {
            /** @description To be sent as `Authorization: Bearer`, here and to every other service and the hub. */
            access_token: string;
            /**
             * Format: int64
             * @description Seconds for which the access token is good.
             * @example 900
             */
            expires_in: number;
            /** @description Good once, for the next pair. */
            refresh_token: string;
        };
        /** @description Any error: RFC 9457 with a stable `code`, as `application/problem+json`. */
        ProblemBody: {
            /** @example email_taken */
            code: string;
            /** @description For a developer; not for 5xx. */
            detail?: string | null;
            /** @description Of 422: every wrong member. */
            errors?: components["schemas"]["WrongMember"][] | null;
            /** Format: int32 */
            status: number;
            title: string;
            /** @example about:blank */
            type: string;
        };
        /** @description Body of refresh and logout. */
        RefreshToken: {
            refresh_token: string;
        };
        /** @description Body of register. */
        Register: {
            /**
             * @description Compared without case; kept as given.
             * @example anna@example.com
             */
            email: string;
            /** @example Anna */
            name: string;
            password: string;
            user_type: components["schemas"]["UserTypeWord"];
        };
        /** @description Body of `PATCH /users/me`. */
        Rename: {
            /** @example Anna */
            name: string;
        };
        /** @description Answer to register and login. */
        SignedIn: components["schemas"]["Pair"] & {
            user: components["schemas"]["User"];
        };
        /** @description A user, as the user sees it. */
        User: {
            /**
             * Format: date-time
             * @description When the user registered: UTC with milliseconds and `Z`.
             */
            created_at: string;
            /** @description The address as it was given. */
            email: string;
            /** @description The name. */
            name: string;
            /**
             * Format: int64
             * @description The id: a number below 2^53.
             */
            user_id: number;
            /** @description `employer` or `worker`. */
            user_type: string;
        };
        /**
         * @description What a user is on the platform.
         * @enum {string}
         */
        UserTypeWord: "employer" | "worker";
        /** @description A wrong member. */
        WrongMember: {
            member: string;
            message: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    jwks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The public halves of the keys; may be kept for 5 min */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeySet"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            /** @description The user, signed in */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid_credentials` */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_json`: another media type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid`: `errors` names every wrong member. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_many_attempts`, `rate_limited`; with `Retry-After` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefreshToken"];
            };
        };
        responses: {
            /** @description Done, or there was nothing to end */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `unauthorized`: no access token that is good. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `forbidden`: a service's key, where a user is wanted. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_json`: another media type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid`: `errors` names every wrong member. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    logout_all: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `unauthorized`: no access token that is good. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `forbidden`: a service's key, where a user is wanted. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    refresh: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefreshToken"];
            };
        };
        responses: {
            /** @description A new pair; the old refresh token is void */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pair"];
                };
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid_refresh_token` */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_json`: another media type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid`: `errors` names every wrong member. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Register"];
            };
        };
        responses: {
            /** @description The user, signed in */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `email_taken` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_json`: another media type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid`: `errors` names every wrong member. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `rate_limited`; with `Retry-After` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `unauthorized`: no access token that is good. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `forbidden`: a service's key, where a user is wanted. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_found`: a user of another issuer */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
    rename: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Rename"];
            };
        };
        responses: {
            /** @description The user */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `unauthorized`: no access token that is good. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `forbidden`: a service's key, where a user is wanted. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_found`: a user of another issuer */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `request_timeout`: the body did not come whole in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `not_json`: another media type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `invalid`: `errors` names every wrong member. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
            /** @description `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @example email_taken */
                        code: string;
                        /** @description For a developer; not for 5xx. */
                        detail?: string | null;
                        /** @description Of 422: every wrong member. */
                        errors?: components["schemas"]["WrongMember"][] | null;
                        /** Format: int32 */
                        status: number;
                        title: string;
                        /** @example about:blank */
                        type: string;
                    };
                };
            };
        };
    };
}
