'use strict';

// The owner of a spool: the note `owner.json` in its folder names the process, and its modification time is the
// heartbeat.

const fs = require('fs');
const path = require('path');

const NOTE = 'owner.json';

/** @param {string} file */
function readLine(file) {
    try {
        return fs.readFileSync(file, 'utf8').trim();
    } catch (err) {
        return null;
    }
}

/**
 * Returns state and start time (clock ticks since boot) of a process, from Linux's /proc; null if it cannot be read.
 * @param {number} pid
 */
function readProcess(pid) {
    const line = readLine(`/proc/${pid}/stat`);
    // The second field is the program's name in parentheses, which may hold any character. State is field 3, start
    // time field 22.
    const fields = line && line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields && fields.length > 19 ? { state: fields[0], started: fields[19] } : null;
}

/** Returns the boot id and the pid namespace, in which a process id is valid. Null if the system does not show them. */
function readPlace() {
    try {
        const boot = readLine('/proc/sys/kernel/random/boot_id');
        const namespace = fs.readlinkSync('/proc/self/ns/pid');
        const isOwnProc = fs.readlinkSync('/proc/self') === String(process.pid);
        return boot && isOwnProc ? `${boot} ${namespace}` : null;
    } catch (err) {
        return null;
    }
}

/**
 * The content of `owner.json`. Another process wrote it, perhaps of another version, so any key may be missing.
 * @typedef {object} Note
 * @property {unknown} [cluster]
 * @property {unknown} [host]
 * @property {unknown} [holder]
 * @property {unknown} [pid]
 * @property {unknown} [place]
 * @property {unknown} [started]
 */

class Owner {
    /** @param {{context: string, version: string, cluster: string, host: string}} process */
    constructor({ context, version, cluster, host }) {
        const place = readPlace();
        const self = place && readProcess(process.pid);
        this.place = place;
        this.note = { context, version, cluster, host, pid: process.pid, place, started: self ? self.started : null };
    }

    /**
     * Writes the note into `folder`: this process holds the spool from now on, under `holder` (the random id of a spool
     * or of a claimer).
     * @param {string} folder
     * @param {string} holder
     * @param {{cluster?: string, host?: string}} origin cluster and host of the events, if another process's
     */
    sign(folder, holder, origin = {}) {
        const note = { ...this.note, ...origin, holder };
        const draft = path.join(folder, `${NOTE}.new`);
        fs.writeFileSync(draft, JSON.stringify(note), { mode: 0o600 });
        fs.renameSync(draft, path.join(folder, NOTE));
    }

    /**
     * Returns true when the process of `note` is known to be dead; false when it lives, or this process cannot find
     * out.
     * @param {Note} note
     */
    isDead(note) {
        const { pid, started } = note;
        if (!note.place || note.place !== this.place || typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) {
            return false;
        }
        try {
            process.kill(pid, 0);
        } catch (err) {
            return err.code === 'ESRCH';
        }
        const found = readProcess(pid);
        return (
            found !== null &&
            started !== null &&
            (found.started !== started || found.state === 'Z' || found.state === 'X')
        );
    }
}

/**
 * Renews the heartbeat. Throws ENOENT if the folder no longer has this name, because another process has claimed it.
 * @param {string} folder
 */
function touch(folder) {
    const now = new Date();
    fs.utimesSync(path.join(folder, NOTE), now, now);
}

/**
 * Returns the note of `folder` and the time (epoch ms) of its last heartbeat. An unreadable note is returned empty.
 * @param {string} folder
 */
function readNote(folder) {
    /** @type {Note} */
    let note = {};
    let beat = 0;
    try {
        beat = fs.statSync(path.join(folder, NOTE)).mtimeMs;
        const read = JSON.parse(fs.readFileSync(path.join(folder, NOTE), 'utf8'));
        note = read && typeof read === 'object' ? read : {};
    } catch (err) {
        // The note is not written yet, or was torn by a power cut: the folder's own time is used.
    }
    return { note, beat };
}

module.exports = { Owner, touch, readNote, NOTE };
