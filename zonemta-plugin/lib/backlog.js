'use strict';

// The segments of one spool on disk, oldest first: batches are taken from them, acknowledged segments are deleted, and
// the oldest is dropped when the spool is full.

const fs = require('fs');
const path = require('path');

const SEGMENT = /^(\d{1,15})\.jsonl$/;
const NEWLINE = 0x0a;
const TIME = /^\{"time":(\d{1,16}),/;
const LOST = 'dropped';
// Size of nearly every event at most. It gives the length that is read first for a batch.
const EVENT_BYTES = 1024;

/**
 * A file of a spool.
 * `size`: its bytes; they end with a whole line only if this process writes the file.
 * `acked`: the position up to which the collector has acknowledged it. It is not kept on disk: after a crash at most
 * one segment is sent again, and the collector recognises the events by their times. `taken`: the end of the batch that
 * is being sent. `tornAt`: the size at which an unfinished line was found last, or -1. `isGone`: the segment was
 * dropped, perhaps while a batch of it was being sent.
 * @typedef {object} Segment
 * @property {number} number
 * @property {string} file
 * @property {number} size
 * @property {number} acked
 * @property {number} taken
 * @property {number} tornAt
 * @property {boolean} isGone
 */

/**
 * Events of a segment up to the position `end`: `lines` without line ends. `unreadable` counts lines that are not
 * events.
 * @typedef {object} DiskBatch
 * @property {Backlog} backlog
 * @property {Segment} segment
 * @property {number} end
 * @property {string[]} lines
 * @property {number} unreadable
 */

/**
 * @param {string} file
 * @param {number} position
 * @param {number} length
 */
function readAt(file, position, length) {
    const fd = fs.openSync(file, 'r');
    try {
        const bytes = Buffer.allocUnsafe(length);
        let read = 0;
        for (let n = -1; n !== 0 && read < length; read += n) {
            n = fs.readSync(fd, bytes, read, length - read, position + read);
        }
        return bytes.subarray(0, read);
    } finally {
        fs.closeSync(fd);
    }
}

/** @param {string} line */
function isEvent(line) {
    try {
        return TIME.test(line) && JSON.parse(line) !== null;
    } catch (err) {
        return false;
    }
}

/**
 * Returns the position up to which `segment` can be sent: its end, or `acked` if only an unfinished line follows.
 * @param {Segment} segment
 */
function endOf(segment) {
    return segment.tornAt === segment.size ? segment.acked : segment.size;
}

/** @param {Buffer} bytes */
function countLines(bytes) {
    let lines = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
        lines += 1;
    }
    return lines;
}

/** Segments are named by number. The last segment is open: it may still grow. */
class Backlog {
    /** @param {string} folder */
    constructor(folder) {
        this.folder = folder;
        /** @type {Segment[]} */
        this.segments = [];
        this.dropped = 0;
        this.droppedKept = 0;
    }

    /**
     * Returns the backlog that a process has left in `folder`.
     * @param {string} folder
     */
    static load(folder) {
        const backlog = new Backlog(folder);
        const names = fs.readdirSync(folder).filter(name => SEGMENT.test(name));
        const numbers = names.map(name => Number.parseInt(name, 10));
        for (const number of numbers.sort((a, b) => a - b)) {
            const segment = backlog.add(number);
            segment.size = fs.statSync(segment.file).size;
        }
        try {
            backlog.droppedKept = backlog.dropped = Number(fs.readFileSync(path.join(folder, LOST), 'utf8')) || 0;
        } catch (err) {
            // No event was dropped.
        }
        return backlog;
    }

    /** @param {number} number */
    fileOf(number) {
        return path.join(this.folder, `${number}.jsonl`);
    }

    /** @param {number} number */
    add(number) {
        /** @type {Segment} */
        const segment = {
            number,
            file: this.fileOf(number),
            size: 0,
            acked: 0,
            taken: 0,
            tornAt: -1,
            isGone: false
        };
        this.segments.push(segment);
        return segment;
    }

    /** The open segment; undefined if the folder was found without a segment. */
    get last() {
        return this.segments[this.segments.length - 1];
    }

    get bytesOnDisk() {
        return this.segments.reduce((sum, segment) => sum + segment.size, 0);
    }

    get bytesUnsent() {
        return this.segments.reduce((sum, segment) => sum + endOf(segment) - segment.acked, 0);
    }

    /**
     * Reads the open segment's size again, which another process may still write. Returns whether it has grown.
     */
    refresh() {
        const { last } = this;
        const before = last ? last.size : 0;
        if (last) {
            last.size = Math.max(before, fs.statSync(last.file).size);
        }
        return last !== undefined && last.size > before;
    }

    /**
     * Returns the next batch, null when there is none. The caller must call `free` or `keep` with it. Throws if a read
     * fails.
     * @param {number} maxEvents
     * @param {number} maxBytes
     * @returns {DiskBatch | null}
     */
    take(maxEvents, maxBytes) {
        for (let segment = this.head(); segment; segment = this.head()) {
            const left = segment.size - segment.acked;
            let batch = this.cut(segment, maxEvents, maxBytes, Math.min(left, maxBytes, maxEvents * EVENT_BYTES));
            if (batch.end === segment.acked) {
                batch = this.cut(segment, 1, maxBytes, left);
            }
            if (batch.lines.length) {
                segment.taken = batch.end;
                return batch;
            }
            if (batch.end === segment.acked) {
                // An unfinished line: its writer died during the write, so its hook never returned.
                if (segment === this.last) {
                    segment.tornAt = segment.size;
                    return null;
                }
                batch.end = segment.size;
            }
            this.free(batch);
        }
        return null;
    }

    head() {
        while (this.segments.length > 1 && this.segments[0].acked >= this.segments[0].size) {
            this.remove(this.segments[0]);
        }
        const segment = this.segments[0];
        return segment && segment.acked < endOf(segment) ? segment : null;
    }

    /**
     * @param {Segment} segment
     * @param {number} maxEvents
     * @param {number} maxBytes
     * @param {number} window how many bytes are read
     */
    cut(segment, maxEvents, maxBytes, window) {
        /** @type {DiskBatch} */
        const batch = { backlog: this, segment, end: segment.acked, lines: [], unreadable: 0 };
        const bytes = readAt(segment.file, segment.acked, window);
        let from = 0;
        for (
            let to = bytes.indexOf(NEWLINE);
            to >= 0 && batch.lines.length < maxEvents;
            to = bytes.indexOf(NEWLINE, from)
        ) {
            if (to > maxBytes && batch.lines.length) {
                break;
            }
            const line = bytes.toString('utf8', from, to);
            if (isEvent(line)) {
                batch.lines.push(line);
            } else {
                batch.unreadable += 1;
            }
            from = to + 1;
            batch.end = segment.acked + from;
        }
        return batch;
    }

    /**
     * Notes that the collector has acknowledged `batch`, or that it was set aside: it is not sent again.
     * @param {DiskBatch} batch
     */
    free(batch) {
        const { segment } = batch;
        segment.taken = 0;
        this.dropped += batch.unreadable;
        if (segment.isGone) {
            return;
        }
        segment.acked = batch.end;
        if (segment.acked >= segment.size && segment !== this.last) {
            this.remove(segment);
        }
    }

    /**
     * Notes that `batch` was not accepted: it is sent again, unless its segment was dropped meanwhile.
     * @param {DiskBatch} batch
     */
    keep(batch) {
        batch.segment.taken = 0;
        if (batch.segment.isGone) {
            this.dropped += batch.lines.length;
        }
    }

    /**
     * Drops the oldest segment. Returns the number of lost events; a batch that is being sent does not count yet.
     */
    dropOldest() {
        const segment = this.segments[0];
        let lost = 0;
        try {
            const from = Math.max(segment.acked, segment.taken);
            lost = countLines(readAt(segment.file, from, segment.size - from));
        } catch (err) {
            // The events cannot be counted any more.
        }
        segment.isGone = true;
        this.remove(segment);
        this.dropped += lost;
        this.noteDropped();
        return lost;
    }

    /** @param {Segment} segment */
    remove(segment) {
        this.segments = this.segments.filter(other => other !== segment);
        try {
            fs.unlinkSync(segment.file);
        } catch (err) {
            // It is deleted already, or it stays and a master sends it again.
        }
    }

    /**
     * Returns the time of the oldest event that is unsent once `batch` (if any) is acknowledged; null if there is none.
     * @param {DiskBatch | null} batch
     */
    oldestUnsent(batch) {
        for (const segment of this.segments) {
            const from = batch && batch.segment === segment ? batch.end : segment.acked;
            if (from < endOf(segment)) {
                const found = TIME.exec(
                    readAt(segment.file, from, Math.min(64, segment.size - from)).toString('latin1')
                );
                return found ? Number(found[1]) : null;
            }
        }
        return null;
    }

    /** Writes the count of dropped events to the disk, for a master that may have to send the rest of this spool. */
    noteDropped() {
        if (this.dropped === this.droppedKept) {
            return;
        }
        try {
            // A new file is renamed: on a full disk, overwriting would lose the old count without writing the new one.
            const draft = path.join(this.folder, `${LOST}.new`);
            fs.writeFileSync(draft, String(this.dropped), { mode: 0o600 });
            fs.renameSync(draft, path.join(this.folder, LOST));
            this.droppedKept = this.dropped;
        } catch (err) {
            // The count stays in memory.
        }
    }
}

module.exports = { Backlog };
