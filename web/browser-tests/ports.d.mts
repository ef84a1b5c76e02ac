// The types of ports.mjs, for tests in TypeScript.

/** A port of loopback that nobody listens on, and that the system gives to nobody. */
export function freePort(): Promise<number>;

/** Several of them. */
export function freePorts(count: number): Promise<number[]>;
