'use strict';

// Whose a spool is: the note `owner.json` in its folder, whose modification time is the heartbeat, and what it tells of
// life.

const fs = require('fs');
const path = require('path');

const NOTE = 'owner.json';

function readLine(file) {
    try {
        return fs.readFileSync(file, 'utf8').trim();
    } catch (err) {
        return null;
    }
}

/** State and start time (clock ticks since boot) of a process, from Linux's /proc; null where that cannot be read. */
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

class Owner {
    constructor({ context, version, cluster, host }) {
        const place = readPlace();
        const self = place && readProcess(process.pid);
        this.place = place;
        this.note = { context, version, cluster, host, pid: process.pid, place, started: self ? self.started : null };
    }

    /**
     * Writes the note into `folder`: it is held by `holder` (a spool's or a claimer's random id) in this process from
     * now on.
     */
    sign(folder, holder, origin = {}) {
        const note = Object.assign({}, this.note, origin, { holder });
        const draft = path.join(folder, `${NOTE}.new`);
        fs.writeFileSync(draft, JSON.stringify(note), { mode: 0o600 });
        fs.renameSync(draft, path.join(folder, NOTE));
    }

    /**
     * True when the process that `note` names is known to be dead; false when it lives, or nobody can tell from here.
     */
    isDead(note) {
        if (!note.place || note.place !== this.place || !Number.isInteger(note.pid) || note.pid <= 0) {
            return false;
        }
        try {
            process.kill(note.pid, 0);
        } catch (err) {
            return err.code === 'ESRCH';
        }
        const found = readProcess(note.pid);
        return (
            found !== null &&
            note.started !== null &&
            (found.started !== note.started || found.state === 'Z' || found.state === 'X')
        );
    }
}

/** The heartbeat. Throws ENOENT when the folder is no longer there under this name: someone has claimed it. */
function touch(folder) {
    const now = new Date();
    fs.utimesSync(path.join(folder, NOTE), now, now);
}

/** The note of `folder` and the time (epoch ms) of its last heartbeat; the note is empty when it cannot be read. */
function readNote(folder) {
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
