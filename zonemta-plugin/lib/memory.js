'use strict';

// Lines that no disk would take: a short ring in memory, until the disk takes them or the collector does.

const LINES = 1000;
const BYTES = 16 * 1024 * 1024;
const TIME = /^\{"time":(\d{1,16}),/;

/**
 * Lines without their ends; `upTo` is the number of the last.
 * @typedef {object} MemoryBatch
 * @property {undefined} [backlog] only a batch from the disk has one
 * @property {undefined} [unreadable] as well
 * @property {string[]} lines
 * @property {number} upTo
 */

class Memory {
    /** @param {() => void} onDropped is called for each event that had to go */
    constructor(onDropped) {
        this.onDropped = onDropped;
        /** @type {{number: number, line: string, bytes: number}[]} */
        this.entries = [];
        this.bytes = 0;
        this.next = 1;
        this.pinned = 0;
    }

    get isEmpty() {
        return this.entries.length === 0;
    }

    /**
     * Keeps `line` (with its end). Past the limits the oldest that is not on its way goes, and is counted.
     * @param {string} line
     */
    push(line) {
        this.entries.push({ number: this.next++, line, bytes: Buffer.byteLength(line) });
        this.bytes += this.entries[this.entries.length - 1].bytes;
        while (this.entries.length > LINES + this.pinned || this.bytes > BYTES) {
            const [gone] = this.entries.splice(Math.min(this.pinned, this.entries.length - 1), 1);
            this.bytes -= gone.bytes;
            this.onDropped();
        }
    }

    get first() {
        return this.entries[0].line;
    }

    /** Takes the first line away, if there is one. */
    shift() {
        const first = this.entries.shift();
        this.bytes -= first ? first.bytes : 0;
        this.pinned = Math.max(0, this.pinned - 1);
    }

    /**
     * @param {number} maxEvents
     * @param {number} maxBytes
     */
    take(maxEvents, maxBytes) {
        /** @type {MemoryBatch} */
        const batch = { lines: [], upTo: 0 };
        let bytes = 0;
        for (const entry of this.entries) {
            bytes += entry.bytes;
            if (batch.lines.length >= maxEvents || (batch.lines.length && bytes > maxBytes)) {
                break;
            }
            batch.lines.push(entry.line.trimEnd());
            batch.upTo = entry.number;
        }
        this.pinned = batch.lines.length;
        return batch.lines.length ? batch : null;
    }

    /** @param {MemoryBatch} batch */
    free(batch) {
        this.pinned = 0;
        while (this.entries.length && this.entries[0].number <= batch.upTo) {
            this.shift();
        }
    }

    keep() {
        this.pinned = 0;
    }

    /**
     * Bytes and oldest stamp of what remains once `batch` (if any) is acknowledged.
     * @param {MemoryBatch | null} batch
     */
    remaining(batch) {
        const rest = this.entries.filter(entry => !batch || entry.number > batch.upTo);
        const found = rest.length ? TIME.exec(rest[0].line) : null;
        return { bytes: rest.reduce((sum, entry) => sum + entry.bytes, 0), oldest: found ? Number(found[1]) : null };
    }
}

module.exports = { Memory };
