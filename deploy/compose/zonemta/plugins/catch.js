'use strict';

// Sends every message to the e-mail catcher, so that the try-out reaches no mail server of the world.
// While the profile `demo` runs, mail for its domains goes to the demo's own mail servers, which defer and refuse some.

const dns = require('dns');

const CATCHER = { host: 'mailpit', port: 1025 };
const DEMO = { host: 'demo', port: 2526 };

// The demo's domains, and the name of the mail server that duckwatch knows each provider by.
const EXCHANGES = {
    'gmail.example': 'gmail-smtp-in.l.google.com',
    'outlook.example': 'outlook-example.mail.protection.outlook.com',
    'yahoo.example': 'mta5.am0.yahoodns.net',
    'icloud.example': 'mx01.mail.icloud.com',
    'corp.example': 'mx.corp.example'
};

module.exports.title = 'Catch all mail';

module.exports.init = (app, done) => {
    app.addHook('sender:fetch', (delivery, next) => {
        const exchange = EXCHANGES[delivery.domain];
        find(exchange ? [DEMO, CATCHER] : [CATCHER], (error, server, address) => {
            if (error) {
                return next(error);
            }
            delivery.mx = [{ priority: 10, mx: true, exchange: exchange || server.host, A: [address], AAAA: [] }];
            delivery.mxPort = server.port;
            delivery.skipSTS = true;
            return next();
        });
    });
    done();
};

// Calls back with the first of these servers whose name is known, and its address.
function find(servers, callback) {
    dns.lookup(servers[0].host, { family: 4 }, (error, address) => {
        if (error && servers.length > 1) {
            return find(servers.slice(1), callback);
        }
        return callback(error, servers[0], address);
    });
}
