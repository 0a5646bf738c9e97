'use strict';

// A broken plugin: it throws on every log entry, as zonemta-wildduck does on every DELETED.

module.exports.title = 'Thrower';

module.exports.init = (app, done) => {
    app.addHook('log:entry', entry => {
        throw new TypeError(`no such thing in ${entry.action}`);
    });
    done();
};
