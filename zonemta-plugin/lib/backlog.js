'use strict';

// The segments of one spool on disk, oldest first: cutting batches off, freeing what is acknowledged, giving up the
// oldest.

const fs = require('fs');
const path = require('path');

const SEGMENT = /^(\d{1,15})\.jsonl$/;
const NEWLINE = 0x0a;
const TIME = /^\{"time":(\d{1,16}),/;
const LOST = 'dropped';
// More than nearly every event has; the window that a batch is first looked for in.
const EVENT_BYTES = 1024;

/**
 * A file of a spool. `size` counts whole lines only where the writer is of this process. `acked` is how far the
 * collector has taken them; it is not kept on disk: after a crash at most one segment is sent again, and the collector
 * knows stamps that it has seen. `taken` is how far the batch on its way reaches. `tornAt` is the size at which a line
 * without an end was found last, or -1. `isGone`: given up while a batch of it may be on its way.
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
 * Events cut off a segment: `lines` without their ends, up to the position `end`. `unreadable` counts lines that are no
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
 * How far `segment` can be sent: to its end, or only as far as it was, when all that follows is a line without an end.
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
     * The backlog that a process has left in `folder`.
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
            // None was dropped.
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

    /** The open segment; undefined in a backlog whose folder was found without any. */
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
     * Looks at the open segment's size anew, where another process may still write it. Returns whether it has grown.
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
     * The next batch, null when there is none. Ends with `free` or `keep`. Throws what reading throws.
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
                // A line without an end: its writer died in it, and the hook that wrote it never returned.
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
     * The collector answers for `batch` (or it is set aside): it is not sent again.
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
     * `batch` was not taken: it comes again, unless its segment had to be given up meanwhile.
     * @param {DiskBatch} batch
     */
    keep(batch) {
        batch.segment.taken = 0;
        if (batch.segment.isGone) {
            this.dropped += batch.lines.length;
        }
    }

    /**
     * Gives up the oldest segment; returns how many events that lost. What is on its way is lost only if it does not
     * arrive.
     */
    dropOldest() {
        const segment = this.segments[0];
        let lost = 0;
        try {
            const from = Math.max(segment.acked, segment.taken);
            lost = countLines(readAt(segment.file, from, segment.size - from));
        } catch (err) {
            // Nobody can count them any more.
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
            // Gone already, or it stays and is sent once more by who finds it.
        }
    }

    /**
     * The stamp of the oldest event that is unsent once `batch` (if any) is acknowledged; null without one.
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

    /** Keeps the count of dropped events for who may have to send the rest of this spool. */
    noteDropped() {
        if (this.dropped === this.droppedKept) {
            return;
        }
        try {
            // Not into the file itself: a full disk would take the old count and not give the new one.
            const draft = path.join(this.folder, `${LOST}.new`);
            fs.writeFileSync(draft, String(this.dropped), { mode: 0o600 });
            fs.renameSync(draft, path.join(this.folder, LOST));
            this.droppedKept = this.dropped;
        } catch (err) {
            // The count goes on in memory.
        }
    }
}

module.exports = { Backlog };
