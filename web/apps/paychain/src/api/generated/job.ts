// Generated from the job service's /openapi.json; to write it anew: npm run api -w paychain

export interface paths {
    "/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists jobs, newest first. */
        get: operations["list_jobs"];
        put?: never;
        /** Posts a job: its money is held on the employer's wallet first. */
        post: operations["post_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One job. */
        get: operations["get_job"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{job_id}/accept": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Accepts an open job: of several workers one wins. */
        post: operations["accept_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{job_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancels an open or accepted job: its money comes back first. */
        post: operations["cancel_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{job_id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Completes an accepted job: its worker is paid first. */
        post: operations["complete_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A job. */
        Job: {
            /**
             * Format: date-time
             * @description When it was posted.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it is refunded if it is not completed; `null` for never.
             */
            deadline: string | null;
            /** @description More about it; empty where nothing was said. */
            description: string;
            /**
             * Format: int64
             * @description Who posted it.
             */
            employer_id: number;
            /**
             * Format: int64
             * @description Its number; a later one is higher.
             * @example 7
             */
            job_id: number;
            /** @description What kind of work it is. */
            job_type: components["schemas"]["JobType"];
            /**
             * Format: double
             * @description What it pays, in US dollars.
             * @example 250.5
             */
            pay_amount_usd: number;
            /** @description Where it stands; `completed` and `refunded` once the money has moved. */
            status: components["schemas"]["JobStatus"];
            /**
             * @description What is to be done.
             * @example Build a landing page
             */
            title: string;
            /**
             * Format: date-time
             * @description When its status last changed.
             */
            updated_at: string;
            /**
             * Format: int64
             * @description Who accepted it; `null` until then.
             */
            worker_id: number | null;
        };
        /** @description A page of jobs. */
        JobList: {
            /** @description The jobs, newest first. */
            items: components["schemas"]["Job"][];
            /** @description The cursor of what follows; `null` on the last page. */
            next: string | null;
        };
        /**
         * @description Where a job stands.
         * @example open
         * @enum {string}
         */
        JobStatus: "open" | "accepted" | "completed" | "refunded";
        /**
         * @description A kind of work.
         * @example development
         * @enum {string}
         */
        JobType: "development" | "design" | "writing" | "marketing" | "data_entry" | "other";
        /** @description A wrong member. */
        MemberError: {
            /** @description Its name. */
            member: string;
            /** @description What is wrong with it. */
            message: string;
        };
        /** @description A job to be posted. */
        NewJob: {
            /**
             * Format: date-time
             * @description When it is refunded if it is not completed; in the future, with any offset.
             */
            deadline?: string | null;
            /** @description More about it. */
            description?: string | null;
            /** @description What kind of work it is. */
            job_type: components["schemas"]["JobType"];
            /**
             * Format: double
             * @description What it pays, in US dollars with at most two decimals.
             */
            pay_amount_usd: number;
            /** @description What is to be done. */
            title: string;
        };
        /** @description An error (RFC 9457). */
        Problem: {
            /** @description What programs go by; it never changes its meaning. */
            code: string;
            /** @description A sentence for a developer; none where the fault is ours. */
            detail?: string | null;
            /** @description Every wrong member; with each 422. */
            errors?: components["schemas"]["MemberError"][] | null;
            /** @description The first of `errors`. */
            member?: string | null;
            state?: components["schemas"]["JobStatus"] | null;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description A few words about the kind of problem; of `payment_unavailable`, whether the outcome is known. */
            title: string;
            /** @description `about:blank`. */
            type: string;
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
    list_jobs: {
        parameters: {
            query?: {
                /** @description Jobs that stand there; all without. */
                status?: "open" | "accepted" | "completed" | "refunded";
                /** @description One kind of work; all without. */
                job_type?: "development" | "design" | "writing" | "marketing" | "data_entry" | "other";
                /** @description `true`: an employer's own jobs, or those that a worker accepted. */
                mine?: boolean;
                /** @description `next` of the page before. */
                cursor?: string;
                /** @description Jobs of a page. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of jobs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobList"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `invalid`: names every wrong parameter */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `store_unavailable`, `keys_unavailable`, with `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description For 24 h the first success comes again for the same caller, path and key; with another body it is a 422. */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewJob"];
            };
        };
        responses: {
            /** @description Posted, and its money is held */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description `malformed_json`: no JSON, no UTF-8, or no body; `body_incomplete`. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key, not for users of this type, or another employer's job. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `insufficient_funds`, or `idempotency_key_in_flight` (with `Retry-After`) */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not_json`: another content type. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `invalid`: names every wrong member; `idempotency_key_reused`. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description `payment_unavailable`, `store_unavailable`, `keys_unavailable`, all with `Retry-After`. The `title` of the first
             *     says whether nothing has changed or the outcome will show in the job.
             */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                job_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not_found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `store_unavailable`, `keys_unavailable`, with `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    accept_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description For 24 h the first success comes again for the same caller, path and key; with another body it is a 422. */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The job */
                job_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted by the caller */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description `body_incomplete`: it ended early. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key, not for users of this type, or another employer's job. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not_found`. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong_state` with `state`; `idempotency_key_in_flight` with `Retry-After`. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `idempotency_key_reused`, or `invalid`: the key itself. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description `payment_unavailable`, `store_unavailable`, `keys_unavailable`, all with `Retry-After`. The `title` of the first
             *     says whether nothing has changed or the outcome will show in the job.
             */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description For 24 h the first success comes again for the same caller, path and key; with another body it is a 422. */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The job */
                job_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refunded */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description `body_incomplete`: it ended early. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key, not for users of this type, or another employer's job. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not_found`. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong_state` with `state`; `idempotency_key_in_flight` with `Retry-After`. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `idempotency_key_reused`, or `invalid`: the key itself. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description `payment_unavailable`, `store_unavailable`, `keys_unavailable`, all with `Retry-After`. The `title` of the first
             *     says whether nothing has changed or the outcome will show in the job.
             */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    complete_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description For 24 h the first success comes again for the same caller, path and key; with another body it is a 422. */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The job */
                job_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Completed, and the worker is paid */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description `body_incomplete`: it ended early. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized`: no good access token. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: a service's key, not for users of this type, or another employer's job. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not_found`. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong_state` with `state`; `idempotency_key_in_flight` with `Retry-After`. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `too_large`: over 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `idempotency_key_reused`, or `invalid`: the key itself. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description `payment_unavailable`, `store_unavailable`, `keys_unavailable`, all with `Retry-After`. The `title` of the first
             *     says whether nothing has changed or the outcome will show in the job.
             */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
