'use strict';

// Lines that could not be written to the disk: a short ring in memory, until they are written or sent.

const LINES = 1000;
const BYTES = 16 * 1024 * 1024;
const TIME = /^\{"time":(\d{1,16}),/;

/**
 * Lines without line ends. `upTo` is the number of the last.
 * @typedef {object} MemoryBatch
 * @property {undefined} [backlog] only a batch from the disk has one
 * @property {undefined} [unreadable] only a batch from the disk has one
 * @property {string[]} lines
 * @property {number} upTo
 */

class Memory {
    /** @param {() => void} onDropped is called for each dropped event */
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
     * Keeps `line` (with its line end). Over the limits it drops and counts the oldest line that is not being sent.
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

    /** Removes the first line, if there is one. */
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
     * Returns the bytes and the oldest time of the lines that remain once `batch` (if any) is acknowledged.
     * @param {MemoryBatch | null} batch
     */
    remaining(batch) {
        const rest = this.entries.filter(entry => !batch || entry.number > batch.upTo);
        const found = rest.length ? TIME.exec(rest[0].line) : null;
        return { bytes: rest.reduce((sum, entry) => sum + entry.bytes, 0), oldest: found ? Number(found[1]) : null };
    }
}

module.exports = { Memory };
