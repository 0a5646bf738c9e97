'use strict';

// The root folder, which holds the spools of all processes.

const fs = require('fs');
const path = require('path');

/**
 * Makes the folder `name` in `root`, and `root` if needed, both for this user only. `isShared`: other users may make
 * folders beside `root`, so `root` must belong to this user. Throws if the disk does.
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
