'use strict';

// The spools of dead processes: the master finds them, claims each by one rename, and gives them to the sender.

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { Orphan } = require('./orphan');
const { elapsed } = require('./clock');
const { readNote } = require('./owner');

// The spool of a living process is named `<id>`, a claimed one `<id>.<claimer>`. Only its holder uses that name, so one
// rename decides between two masters. A process that lost its spool (because it was stopped for too long) finds no
// folder under the name that it knows.
const SPOOL = /^([0-9a-f]{16})(?:\.([0-9a-f]{16}))?$/;

class Orphans {
    /**
     * @param {object} parts
     * @param {import('./settings').Settings} parts.settings
     * @param {import('./owner').Owner} parts.owner
     * @param {import('./log').Log} parts.log
     * @param {boolean} parts.active whether this process claims at all
     */
    constructor({ settings, owner, log, active }) {
        this.settings = settings;
        this.owner = owner;
        this.log = log;
        this.active = active;
        this.claimer = crypto.randomBytes(8).toString('hex');
        /** @type {Orphan[]} */
        this.list = [];
        /** @type {Map<string, {sign: number, since: number}>} */
        this.seen = new Map();
    }

    /**
     * Renews the heartbeats of claimed spools, removes sent ones, and claims abandoned ones. Called every few seconds.
     * @param {string} ownId
     */
    sweep(ownId) {
        if (!this.active) {
            return;
        }
        this.list = this.list.filter(orphan => this.attend(orphan));
        this.keepQuota();
        const names = new Set();
        for (const root of this.settings.roots) {
            for (const name of this.spoolsIn(root)) {
                names.add(path.join(root, name));
                this.consider(root, name, ownId);
            }
        }
        this.seen.forEach((_, folder) => names.has(folder) || this.seen.delete(folder));
    }

    /**
     * Returns whether this process still holds `orphan`.
     * @param {Orphan} orphan
     */
    attend(orphan) {
        try {
            orphan.keepAlive();
            if (!orphan.isDone) {
                return true;
            }
            orphan.remove();
            this.log.info('The spool of process %s is sent', orphan.id);
        } catch (err) {
            this.log.info('The claimed spool of process %s is gone (%s)', orphan.id, err.code || err.message);
        }
        return false;
    }

    /** Drops the oldest segments when all claimed spools together are larger than one process's limit. */
    keepQuota() {
        let bytes = this.list.reduce((sum, orphan) => sum + orphan.backlog.bytesOnDisk, 0);
        for (const { backlog } of this.list) {
            while (bytes > this.settings.maxSpoolBytes && backlog.segments.length > 1) {
                bytes -= backlog.segments[0].size;
                const lost = backlog.dropOldest();
                this.log.seldom(
                    'orphans',
                    60000,
                    'error',
                    'The claimed spools are too large: the oldest %s events are given up',
                    lost
                );
            }
        }
    }

    /** @param {string} root */
    spoolsIn(root) {
        try {
            return fs.readdirSync(root).filter(name => SPOOL.test(name));
        } catch (err) {
            if (err.code !== 'ENOENT') {
                this.log.once(
                    `sweep ${root}`,
                    'error',
                    'The spools of dead processes cannot be looked for in %s (%s)',
                    root,
                    err.code
                );
            }
            return [];
        }
    }

    /**
     * Claims the spool called `name` in `root`, if it is abandoned.
     * @param {string} root
     * @param {string} name
     * @param {string} ownId
     */
    consider(root, name, ownId) {
        const [id, claimer] = name.split('.');
        if (id === ownId || claimer === this.claimer) {
            return;
        }
        const folder = path.join(root, name);
        try {
            const { note, beat } = readNote(folder);
            const isDead = note.holder === (claimer || id) && this.owner.isDead(note);
            if (isDead || this.isSilent(folder, beat)) {
                this.claim(folder, path.join(root, `${id}.${this.claimer}`), id, note, isDead && !claimer);
            }
        } catch (err) {
            // Another master was quicker (ENOENT), or this user may not move the folder.
            if (err.code !== 'ENOENT') {
                this.log.once(
                    `claim ${folder}`,
                    'error',
                    'The spool %s could not be claimed (%s)',
                    folder,
                    err.code || err.message
                );
            }
        }
    }

    /**
     * Returns true when the spool has had no heartbeat for `deadAfter`. The folder's own time counts too, because a new
     * or newly claimed spool has no note yet. If the clock was set back, the spool is watched for that long instead.
     * @param {string} folder
     * @param {number} beat epoch milliseconds
     */
    isSilent(folder, beat) {
        const sign = Math.max(beat, fs.statSync(folder).ctimeMs);
        const seen = this.seen.get(folder);
        if (!seen || seen.sign !== sign) {
            this.seen.set(folder, { sign, since: elapsed() });
        }
        const watched = seen && seen.sign === sign ? elapsed() - seen.since : 0;
        return Math.max(watched, Date.now() - sign) > this.settings.deadAfter;
    }

    /**
     * @param {string} folder
     * @param {string} target the folder's name from now on
     * @param {string} id
     * @param {import('./owner').Note} note
     * @param {boolean} isWriterDead
     */
    claim(folder, target, id, note, isWriterDead) {
        fs.renameSync(folder, target);
        const origin = {
            cluster: typeof note.cluster === 'string' && note.cluster ? note.cluster : this.settings.cluster,
            host: typeof note.host === 'string' && note.host ? note.host : this.settings.host
        };
        this.sign(target, origin);
        const orphan = new Orphan({ folder: target, id, isWriterDead, grace: this.settings.deadAfter / 2, ...origin });
        this.list.push(orphan);
        this.log.info('Claimed the spool of process %s (%s bytes)', id, orphan.backlog.bytesUnsent);
    }

    /**
     * @param {string} target
     * @param {{cluster: string, host: string}} origin
     */
    sign(target, origin) {
        try {
            this.owner.sign(target, this.claimer, origin);
        } catch (err) {
            // On a full disk the old note stays. That is enough: the folder's name has the holder, and its time is the
            // heartbeat.
            if (err.code === 'ENOENT') {
                throw err;
            }
        }
    }
}

module.exports = { Orphans };
