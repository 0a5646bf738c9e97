'use strict';

// The plugin's entry point. ZoneMTA requires a title and an init function.
// No code of the plugin may throw: an exception in a plugin's asynchronous code ends a process that delivers mail.

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
