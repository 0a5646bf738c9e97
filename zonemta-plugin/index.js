'use strict';

// ZoneMTA's side of the plugin: what it asks of a plugin is a title and an init. Nothing here, nor behind it, may
// throw: an exception in a plugin's asynchronous code ends the process that delivers mail.

const { start } = require('./lib/plugin');

module.exports.title = 'duckwatch';

/**
 * @param {import('./lib/plugin').App} app
 * @param {() => void} [done]
 */
module.exports.init = (app, done) => {
    start(app);
    if (typeof done === 'function') {
        done();
    }
};
