'use strict';

// This process's spool: a folder whose files are appended to synchronously. When it was claimed or removed, a new one
// is made.

const crypto = require('crypto');
const fs = require('fs');
const { makeFolder } = require('./root');
const { Backlog } = require('./backlog');
const { elapsed } = require('./clock');
const { Memory } = require('./memory');
const { touch } = require('./owner');

const SEGMENT_BYTES = 1024 * 1024;
// A wholly sent segment of at least this size is closed at once, so that a crash resends little. Housekeeping closes
// smaller ones.
const LEAVE_BYTES = 64 * 1024;
const RETRY_DISK_MS = 1000;
const SEGMENTS_IN_QUOTA = 8;

/**
 * @typedef {import('./backlog').DiskBatch | import('./memory').MemoryBatch} Batch
 *
 * What remains to be sent: bytes, and the time of the oldest event.
 * @typedef {{bytes: number, oldest: number | null}} Remaining
 *
 * A spool that the sender sends: this process's, or a claimed one (lib/orphan.js).
 * @typedef {object} Source
 * @property {string} id
 * @property {string} cluster
 * @property {string} host
 * @property {string[]} contexts
 * @property {number} dropped
 * @property {boolean} [isReported]
 * @property {boolean} [isSent]
 * @property {(maxEvents: number, maxBytes: number) => Batch | null} take
 * @property {(batch: any) => void} free
 * @property {(batch: any) => void} keep
 * @property {(events: number) => void} lose
 * @property {(batch: any) => Remaining} remaining
 */

/**
 * Keeps the hook's events until the collector has acknowledged them. Each line is written by one `write` to an open
 * file before `append` returns. No method throws into the hook: lines that cannot be written wait in memory.
 */
class Spool {
    /**
     * @param {object} parts
     * @param {import('./settings').Settings} parts.settings
     * @param {import('./owner').Owner} parts.owner
     * @param {import('./log').Log} parts.log
     */
    constructor({ settings, owner, log }) {
        this.settings = settings;
        this.owner = owner;
        this.log = log;
        this.cluster = settings.cluster;
        this.host = settings.host;
        this.contexts = [owner.note.context];
        this.segmentBytes = Math.min(SEGMENT_BYTES, Math.floor(settings.maxSpoolBytes / SEGMENTS_IN_QUOTA));
        this.verifyMs = settings.deadAfter / 6;
        this.memory = new Memory(() => this.lose(1));
        this.lost = 0;
        this.events = 0;
        this.id = '';
        /** @type {string | null} */
        this.root = null;
        /** @type {string | null} */
        this.folder = null;
        /** @type {Backlog | null} */
        this.backlog = null;
        /** @type {number | null} */
        this.fd = null;
        this.retryDiskAt = 0;
        this.confirmed = { wall: 0, elapsed: 0 };
        this.forget();
        this.open();
    }

    get dropped() {
        return this.backlog ? this.backlog.dropped : this.lost;
    }

    /** The backlog, for code that runs only while there is one. */
    get own() {
        return /** @type {Backlog} */ (this.backlog);
    }

    forget() {
        this.id = crypto.randomBytes(8).toString('hex');
        this.root = null;
        this.folder = null;
        this.backlog = null;
        this.fd = null;
        this.retryDiskAt = 0;
        this.confirm();
    }

    /** Makes the folder and its first segment in the first root where that works. Returns whether it worked in one. */
    open() {
        for (const root of this.settings.roots) {
            try {
                this.begin(root);
                return true;
            } catch (err) {
                this.log.once(`root ${root}`, 'error', 'No spool can be in %s (%s)', root, err.code || err.message);
            }
        }
        this.diskFailed();
        return false;
    }

    /** @param {string} root */
    begin(root) {
        const folder = makeFolder(root, this.id, root !== this.settings.roots[0]);
        try {
            this.owner.sign(folder, this.id);
            const backlog = new Backlog(folder);
            this.fd = fs.openSync(backlog.add(1).file, 'ax+', 0o600);
            Object.assign(this, { root, folder, backlog });
        } catch (err) {
            fs.rmSync(folder, { recursive: true, force: true });
            throw err;
        }
        this.confirm();
        this.opened();
    }

    opened() {
        this.own.dropped = this.lost;
        this.lost = 0;
        this.log[this.root === this.settings.roots[0] ? 'info' : 'error']('Events are spooled in %s', this.folder);
    }

    diskFailed() {
        this.retryDiskAt = elapsed() + RETRY_DISK_MS;
        this.log.once('memory', 'error', 'The disk takes no events; the latest wait in memory');
    }

    /**
     * Keeps `line` (with its line end). Does not throw if the disk fails.
     * @param {string} line
     */
    append(line) {
        this.events += 1;
        this.emptyMemory();
        if (!this.memory.isEmpty || !this.write(line)) {
            this.memory.push(line);
            // Write again at once if the write failed because the spool was claimed and a new one was made.
            this.emptyMemory();
            return;
        }
        // Check after the write: a process that was stopped between a check and the write would not notice that its
        // spool was claimed meanwhile.
        if (this.isUnconfirmed()) {
            this.verify();
        }
    }

    emptyMemory() {
        while (!this.memory.isEmpty && this.write(this.memory.first)) {
            this.memory.shift();
        }
    }

    /**
     * Writes `line` to the disk. Returns whether that succeeded.
     * @param {string} line
     */
    write(line) {
        if (elapsed() < this.retryDiskAt || (!this.backlog && !this.open())) {
            return false;
        }
        const bytes = Buffer.from(line);
        try {
            const { last } = this.own;
            if (this.fd === null || (last.size > 0 && last.size + bytes.length > this.segmentBytes)) {
                this.rotate();
            }
            this.writeWhole(bytes);
            this.log.forget('memory');
            return true;
        } catch (err) {
            if (err.code !== 'ENOENT' || !this.verify()) {
                this.log.seldom(
                    'write',
                    60000,
                    'error',
                    'The spool could not be written (%s)',
                    err.code || err.message
                );
                this.diskFailed();
            }
            return false;
        }
    }

    /** @param {Buffer} bytes */
    writeWhole(bytes) {
        const segment = this.own.last;
        const fd = /** @type {number} */ (this.fd);
        try {
            for (let done = 0; done < bytes.length;) {
                done += fs.writeSync(fd, bytes, done);
            }
            segment.size += bytes.length;
        } catch (err) {
            this.cutOff(segment, fd);
            throw err;
        }
    }

    /**
     * Removes a line that was written only in part, on a full disk. If that fails, begins a new segment: the next line
     * must not be joined to the part.
     * @param {import('./backlog').Segment} segment
     * @param {number} fd
     */
    cutOff(segment, fd) {
        try {
            fs.ftruncateSync(fd, segment.size);
        } catch (err) {
            this.closeFile();
        }
    }

    /** Begins a new segment. If the disk fails, throws and keeps using the old one. */
    rotate() {
        const { own } = this;
        const number = own.last.number + 1;
        const fd = fs.openSync(own.fileOf(number), 'ax+', 0o600);
        this.closeFile();
        this.fd = fd;
        own.add(number);
        own.head();
        while (own.segments.length > 1 && own.bytesOnDisk > this.settings.maxSpoolBytes - this.segmentBytes) {
            const lost = own.dropOldest();
            this.events -= lost;
            this.log.seldom(
                'quota',
                60000,
                'error',
                'The spool is full: the oldest %s events are given up, %s so far',
                lost,
                this.dropped
            );
        }
    }

    closeFile() {
        if (this.fd !== null) {
            try {
                fs.closeSync(this.fd);
            } catch (err) {
                // The file is no longer used in any case.
            }
            this.fd = null;
        }
    }

    confirm() {
        this.confirmed = { wall: Date.now(), elapsed: elapsed() };
    }

    isUnconfirmed() {
        const wall = Math.abs(Date.now() - this.confirmed.wall);
        return Math.max(wall, elapsed() - this.confirmed.elapsed) > this.verifyMs;
    }

    /**
     * Renews the heartbeat. If the folder no longer has its name, it was claimed while this process was stopped: makes
     * a new spool. Returns whether that happened.
     */
    verify() {
        this.confirm();
        try {
            touch(this.own.folder);
        } catch (err) {
            if (err.code === 'ENOENT') {
                this.beginAnew();
                return true;
            }
            this.log.once('touch', 'error', 'The heartbeat of the spool could not be written (%s)', err.code);
        }
        return false;
    }

    beginAnew() {
        this.log.error('The spool %s was claimed by another process, or removed; a new one is begun', this.id);
        const unsent = this.readUnsent();
        this.lost = this.own.dropped - this.own.droppedKept;
        this.closeFile();
        this.forget();
        this.events = 0;
        for (const line of unsent) {
            this.append(line);
        }
    }

    /**
     * Returns the unsent lines of the open segment, read through its open file. A master that claimed the spool may
     * have read it before the last lines were written.
     */
    readUnsent() {
        const { last } = this.own;
        try {
            const bytes = Buffer.alloc(last.size - last.acked);
            const read = this.fd === null ? 0 : fs.readSync(this.fd, bytes, 0, bytes.length, last.acked);
            return bytes.toString('utf8', 0, read).match(/[^\n]*\n/g) || [];
        } catch (err) {
            return [];
        }
    }

    /**
     * @param {number} maxEvents
     * @param {number} maxBytes
     * @returns {Batch | null}
     */
    take(maxEvents, maxBytes) {
        return (this.backlog && this.backlog.take(maxEvents, maxBytes)) || this.memory.take(maxEvents, maxBytes);
    }

    /** @param {Batch} batch */
    free(batch) {
        if (!batch.backlog) {
            this.memory.free(batch);
        } else if (batch.backlog !== this.backlog) {
            return;
        } else {
            batch.backlog.free(batch);
            this.leaveSent(LEAVE_BYTES);
        }
        this.events = Math.max(0, this.events - batch.lines.length - (batch.unreadable || 0));
    }

    /** @param {Batch} batch */
    keep(batch) {
        if (batch.backlog) {
            batch.backlog.keep(batch);
        } else {
            this.memory.keep();
        }
    }

    /**
     * Counts events that can never be sent.
     * @param {number} events
     */
    lose(events) {
        if (this.backlog) {
            this.backlog.dropped += events;
        } else {
            this.lost += events;
        }
    }

    /**
     * Begins a new segment when all of the open one is sent and it has at least `least` bytes.
     * @param {number} least
     */
    leaveSent(least) {
        const { last } = this.own;
        if (this.fd === null || last.size < least || last.acked < last.size) {
            return;
        }
        try {
            this.rotate();
        } catch (err) {
            if (err.code === 'ENOENT') {
                this.verify();
            }
        }
    }

    /**
     * Returns what remains to be sent once `batch` (if any) is acknowledged.
     * @param {Batch | null} batch
     * @returns {Remaining}
     */
    remaining(batch) {
        const inMemory = this.memory.remaining(batch && !batch.backlog ? batch : null);
        if (!this.backlog) {
            return inMemory;
        }
        const own = batch && batch.backlog === this.backlog && !batch.segment.isGone ? batch : null;
        const bytes = this.backlog.bytesUnsent - (own ? own.end - own.segment.acked : 0);
        const oldest = bytes > 0 ? this.backlog.oldestUnsent(own) : null;
        return { bytes: bytes + inMemory.bytes, oldest: oldest === null ? inMemory.oldest : oldest };
    }

    /** Renews the heartbeat, tries the disk again, and removes sent segments. Called every few seconds. */
    keepAlive() {
        if (this.backlog) {
            this.verify();
        }
        this.emptyMemory();
        if (this.backlog) {
            this.leaveSent(1);
            this.backlog.noteDropped();
        } else if (elapsed() >= this.retryDiskAt) {
            this.open();
        }
    }

    /** At exit: tries once more to write the lines in memory, and removes a spool that holds no event. */
    close() {
        this.retryDiskAt = 0;
        this.emptyMemory();
        if (this.backlog && this.memory.isEmpty && this.backlog.bytesUnsent === 0) {
            fs.rmSync(this.backlog.folder, { recursive: true, force: true });
        }
    }
}

module.exports = { Spool };
