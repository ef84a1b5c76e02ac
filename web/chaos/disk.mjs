// The hub's disk: full or broken on demand, and what a power cut leaves of it. The library that records what the hub writes is that of
// the store's own tests (crates/journal/tests/faults/disk.c, which says what a record looks like); the model is theirs too: a sync puts
// on the disk what was written before it, what was not synced is there or not, write by write, or torn at sectors.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What a disk writes whole or not at all, bytes. */
const SECTOR = 512;

const SOURCE = fileURLToPath(new URL("../../crates/journal/tests/faults/disk.c", import.meta.url));

/** The disk of one directory. */
export class Disk {
  #under;
  #faults;
  #record;
  #library;
  /** By number; a name may change hands. */
  #files = [];
  #names = new Map();
  #durable = new Map();

  /** Builds the library. Needs `cc`. */
  constructor({ under, scratch }) {
    this.#under = under;
    this.#faults = join(scratch, "faults");
    this.#record = join(scratch, "record");
    this.#library = join(scratch, "disk.so");
    mkdirSync(under, { recursive: true });
    mkdirSync(this.#faults, { recursive: true });
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", this.#library, SOURCE]);
  }

  /** What the process gets whose disk it is. */
  get environment() {
    return {
      LD_PRELOAD: this.#library,
      DISK_UNDER: this.#under,
      DISK_FAULTS: this.#faults,
      DISK_RECORD: this.#record,
    };
  }

  /** From now on writes (`full`) or syncs (`broken`) fail, after so many more that succeed. */
  fail(kind, after) {
    writeFileSync(join(this.#faults, kind), String(after));
  }

  heal() {
    for (const kind of ["full", "broken"]) rmSync(join(this.#faults, kind), { force: true });
  }

  /** Takes the power away from a process that was killed just now: its directory is what the disk had. */
  cut(chance) {
    this.#play(chance);
    const kept = [];
    for (const name of new Set([...this.#names.keys(), ...this.#durable.keys()])) {
      const number = (chance.happens(0.5) ? this.#names : this.#durable).get(name);
      if (number === undefined) continue;
      const file = this.#files[number];
      file.sync(false, chance);
      kept.push([name, file]);
    }
    for (const name of readdirSync(this.#under)) rmSync(join(this.#under, name), { recursive: true });
    for (const [name, file] of kept) writeFileSync(join(this.#under, name), file.bytes(), { mode: 0o600 });
    this.#files = kept.map(([, file]) => file);
    this.#names = new Map(kept.map(([name], number) => [name, number]));
    this.#durable = new Map(this.#names);
  }

  /** Carries out what was recorded since the last time. */
  #play(chance) {
    const record = existsSync(this.#record) ? readFileSync(this.#record) : Buffer.alloc(0);
    let at = 0;
    while (at < record.length) {
      const kind = String.fromCharCode(record[at]);
      const done = record[at + 1] === 0;
      const data = at + 16 + record.readUInt16LE(at + 2);
      const end = data + record.readUInt32LE(at + 4);
      const offset = Number(record.readBigUInt64LE(at + 8));
      const name = record.toString("utf8", at + 16, data);
      at = end;
      if (kind === "W") this.#file(name).pending.push({ at: offset, data: record.subarray(data, end) });
      else if (kind === "T") this.#file(name).pending.push({ length: offset });
      else if (kind === "S") this.#file(name).sync(done, chance);
      else if (kind === "D" && done) this.#durable = new Map(this.#names);
      else if (kind === "U") this.#names.delete(name);
    }
    // What still waits for a sync keeps the bytes that it needs.
    if (existsSync(this.#record)) truncateSync(this.#record);
  }

  #file(name) {
    const known = this.#names.get(name);
    if (known !== undefined) return this.#files[known];
    this.#names.set(name, this.#files.length);
    const file = new DiskFile();
    this.#files.push(file);
    return file;
  }
}

class DiskFile {
  /** What is still to be written. */
  pending = [];
  #content = Buffer.alloc(0);
  #length = 0;

  bytes() {
    return this.#content.subarray(0, this.#length);
  }

  /** Puts on the disk what is to be written: all of it, or, where that fails, what chance wants. */
  sync(done, chance) {
    for (const { at, data, length } of this.pending.splice(0)) {
      const fate = done ? 0 : chance.below(3);
      if (fate === 1) continue;
      if (data === undefined) {
        this.#resize(length);
        continue;
      }
      const end = at + data.length;
      if (end > this.#length) this.#resize(end);
      for (let from = at; from < end; ) {
        const to = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR);
        if (fate === 0 || chance.happens(0.5)) data.copy(this.#content, from, from - at, to - at);
        from = to;
      }
    }
  }

  #resize(length) {
    if (length > this.#content.length) {
      const larger = Buffer.alloc(Math.max(length, this.#content.length * 2));
      this.#content.copy(larger, 0, 0, this.#length);
      this.#content = larger;
    }
    if (length < this.#length) this.#content.fill(0, length, this.#length);
    this.#length = length;
  }
}
