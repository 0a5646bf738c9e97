'use strict';

// Whose a spool is: the note `owner.json` in its folder, whose modification time is the heartbeat, and what it tells of
// life.

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
 * State and start time (clock ticks since boot) of a process, from Linux's /proc; null where that cannot be read.
 * @param {number} pid
 */
function readProcess(pid) {
    const line = readLine(`/proc/${pid}/stat`);
    // The second field is the program's name in parentheses, which may hold anything; state is field 3, start time
    // field 22.
    const fields = line && line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields && fields.length > 19 ? { state: fields[0], started: fields[19] } : null;
}

/** What says where a process id means anything: the boot and the namespace. Null where the system does not tell. */
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
 * What `owner.json` says. Another process wrote it, perhaps of another version, so nothing is certain to be there.
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
     * Writes the note into `folder`: it is held by `holder` (a spool's or a claimer's random id) in this process from
     * now on.
     * @param {string} folder
     * @param {string} holder
     * @param {{cluster?: string, host?: string}} origin of the events, where that is another process
     */
    sign(folder, holder, origin = {}) {
        const note = { ...this.note, ...origin, holder };
        const draft = path.join(folder, `${NOTE}.new`);
        fs.writeFileSync(draft, JSON.stringify(note), { mode: 0o600 });
        fs.renameSync(draft, path.join(folder, NOTE));
    }

    /**
     * True when the process that `note` names is known to be dead; false when it lives, or nobody can tell from here.
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
 * The heartbeat. Throws ENOENT when the folder is no longer there under this name: someone has claimed it.
 * @param {string} folder
 */
function touch(folder) {
    const now = new Date();
    fs.utimesSync(path.join(folder, NOTE), now, now);
}

/**
 * The note of `folder` and the time (epoch ms) of its last heartbeat; the note is empty when it cannot be read.
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
        // Not written yet, or torn by a power cut: the folder's own times have to do.
    }
    return { note, beat };
}

module.exports = { Owner, touch, readNote, NOTE };
