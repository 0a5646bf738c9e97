'use strict';

// ZoneMTA for docker-compose.yml. Every message goes to the e-mail catcher: plugins/catch.js.
// ZoneMTA runs this file in a context of its own, in which `process` must be required.

const fs = require('fs');

const secret = name => fs.readFileSync(`/run/secrets/${name}`, 'utf8').trim();
const everywhere = ['receiver', 'sender', 'main'];

module.exports = {
    name: 'mta.duckwatch.example',
    dbs: {
        mongo: secret('mongo_uri'),
        sender: 'zone-mta',
        redis: { host: 'redis', port: 6379, db: 3, password: secret('redis_password') }
    },
    pluginsPath: '/opt/zonemta/plugins',
    // The default is relative to the working directory.
    corePluginsPath: '/opt/zonemta/node_modules/@zone-eu/zone-mta/plugins',
    plugins: {
        'zonemta-duckwatch': {
            enabled: everywhere,
            ordering: 1,
            url: 'http://collector:9626/api/events/ingest',
            tokenFile: '/run/secrets/token',
            spool: '/var/spool/duckwatch'
        },
        'duckwatch-catch/catch': { enabled: 'sender', ordering: 2 },
        'core/email-bounce': {
            enabled: 'main',
            sendingZone: 'bounces',
            mailerDaemon: { name: 'Mail Delivery Subsystem', address: 'mailer-daemon@[HOSTNAME]' },
            disableInterfaces: ['forwarder']
        }
    },
    smtpInterfaces: {
        feeder: { enabled: true, host: '0.0.0.0', port: 2525, processes: 1, authentication: false, starttls: false }
    },
    // The try-out retries soon, so that deferred mail is seen to leave.
    queue: { deferTimes: [15000, 30000, 60000, 120000, 300000] },
    dns: { caching: false, blockLocalAddresses: false },
    mtaSts: { enabled: false },
    api: { host: '0.0.0.0', port: 12080, maildrop: false },
    queueServer: { host: '127.0.0.1', port: 12081, hostname: '127.0.0.1' },
    log: { level: 'info', remote: false },
    dkim: { enabled: false },
    pools: { default: [{ address: '0.0.0.0', name: 'mta.duckwatch.example' }] },
    zones: {
        default: { processes: 1, connections: 5, ignoreIPv6: true, pool: 'default' },
        bounces: { processes: 1, connections: 2, ignoreIPv6: true, pool: 'default' }
    },
    domainConfig: { default: { maxConnections: 5, disabledAddresses: [] } }
};
