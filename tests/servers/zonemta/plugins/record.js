'use strict';

// Records every log entry that reaches this hook, as one JSON line in the form of the recording (tests/fixtures):
// {time_ms, pid, context, entry}. There is one file per process. A line is one write, so a killed process leaves no
// half line.

const fs = require('fs');
const path = require('path');

module.exports.title = 'Recorder';

module.exports.init = (app, done) => {
    const context = app.manager.context;
    const file = fs.openSync(path.join(app.config.folder, `${context}-${process.pid}-${Date.now()}.jsonl`), 'a');
    app.addHook('log:entry', (entry, next) => {
        fs.writeSync(file, JSON.stringify({ time_ms: Date.now(), pid: process.pid, context, entry }) + '\n');
        next();
    });
    done();
};
