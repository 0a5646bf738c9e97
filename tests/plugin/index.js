'use strict';

// Node 20 searches the folder that `node --test` is given for *.test.js; Node 22 and later run the folder's index.

const fs = require('node:fs');
const path = require('node:path');

for (const name of fs.readdirSync(__dirname).filter(file => file.endsWith('.test.js'))) {
    require(path.join(__dirname, name));
}
