'use strict';

// The folder that holds the spools of all processes: where a process's own folder is made.

const fs = require('fs');
const path = require('path');

/**
 * Makes the folder `name` in `root`, and `root` too; both for this user only. `isShared`: anyone may make folders
 * beside `root`, which must then be this user's own. Throws what the disk throws.
 * @param {string} root
 * @param {string} name
 * @param {boolean} isShared
 */
function makeFolder(root, name, isShared) {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    const found = fs.lstatSync(root);
    const isOwn =
        found.isDirectory() && (found.mode & 0o022) === 0 && (!process.getuid || found.uid === process.getuid());
    if (isShared && !isOwn) {
        throw new Error('it belongs to someone else');
    }
    const folder = path.join(root, name);
    fs.mkdirSync(folder, { mode: 0o700 });
    return folder;
}

module.exports = { makeFolder };
