'use strict';

// One claimed spool. The master sends it in its order, with the id of its own process, and removes it when no further
// event can come.

const fs = require('fs');
const { Backlog } = require('./backlog');
const { elapsed } = require('./clock');
const { touch } = require('./owner');

/**
 * The spool's writer may still be alive, if it was stopped for long, with its last segment open. It notices the claim
 * within `deadAfter / 6` of a write. So the master waits `grace` and reads those writes before it removes the folder.
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
        // A dead process has no contexts.
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

    /** Renews the heartbeat and reads the sizes again. Throws ENOENT if another master has claimed this spool. */
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
     * Returns what remains to be sent once `batch` (if any) is acknowledged.
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
     * True while the sent spool needs a last heartbeat: its previous one may have named waiting events.
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
