'use strict';

// One claimed spool: sent by the master in its own order, under its own process's name, and removed when nothing can
// follow.

const fs = require('fs');
const { Backlog } = require('./backlog');
const { elapsed } = require('./clock');
const { touch } = require('./owner');

/**
 * Its writer may be alive after all, stopped for long and holding its last segment open. It notices within `deadAfter /
 * 6` of writing; so what it wrote is waited for (`grace`) and read before the folder goes.
 */
class Orphan {
    /**
     * @param {object} claimed
     * @param {string} claimed.folder
     * @param {string} claimed.id
     * @param {string} claimed.cluster
     * @param {string} claimed.host
     * @param {boolean} claimed.isWriterDead
     * @param {number} claimed.grace milliseconds
     */
    constructor({ folder, id, cluster, host, isWriterDead, grace }) {
        this.folder = folder;
        this.id = id;
        this.cluster = cluster;
        this.host = host;
        // Nothing is loaded in a process that is gone.
        /** @type {string[]} */
        this.contexts = [];
        this.grace = isWriterDead ? 0 : grace;
        this.backlog = Backlog.load(folder);
        this.quietSince = elapsed();
        this.isReported = false;
    }

    get dropped() {
        return this.backlog.dropped;
    }

    /** Heartbeat, and another look at the sizes. Throws ENOENT when another master has claimed this spool meanwhile. */
    keepAlive() {
        touch(this.folder);
        if (this.backlog.refresh()) {
            this.quietSince = elapsed();
        }
        this.backlog.noteDropped();
    }

    /**
     * @param {number} maxEvents
     * @param {number} maxBytes
     */
    take(maxEvents, maxBytes) {
        return this.backlog.take(maxEvents, maxBytes);
    }

    /** @param {import('./backlog').DiskBatch} batch */
    free(batch) {
        this.backlog.free(batch);
    }

    /** @param {import('./backlog').DiskBatch} batch */
    keep(batch) {
        this.backlog.keep(batch);
    }

    /** @param {number} events */
    lose(events) {
        this.backlog.dropped += events;
    }

    /**
     * What is left once `batch` (if any) is acknowledged.
     * @param {import('./backlog').DiskBatch | null} batch
     * @returns {import('./spool').Remaining}
     */
    remaining(batch) {
        const taken = batch && !batch.segment.isGone ? batch.end - batch.segment.acked : 0;
        return { bytes: this.backlog.bytesUnsent - taken, oldest: this.backlog.oldestUnsent(batch) };
    }

    get isSent() {
        return this.backlog.bytesUnsent === 0;
    }

    /**
     * The collector is to be told once more of a spool when it is sent: its last word may speak of events that waited.
     */
    get isFarewellDue() {
        return !this.isReported && this.isSent;
    }

    get isDone() {
        return this.isReported && this.isSent && elapsed() - this.quietSince >= this.grace;
    }

    remove() {
        fs.rmSync(this.folder, { recursive: true, force: true });
    }
}

module.exports = { Orphan };
