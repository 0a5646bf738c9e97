'use strict';

// WildDuck for docker-compose.yml, merged over the package's own configuration.

const fs = require('fs');

const secret = name => fs.readFileSync(`/run/secrets/${name}`, 'utf8').trim();

module.exports = {
    processes: 1,
    emailDomain: 'wild.example',
    dbs: {
        mongo: secret('mongo_uri'),
        sender: 'zone-mta',
        redis: { host: 'redis', port: 6379, db: 3, password: secret('redis_password') }
    },
    log: { level: 'info', gelf: { enabled: false } },
    imap: { enabled: true, host: '0.0.0.0', port: 10143, secure: false, disableSTARTTLS: true },
    pop3: { enabled: false },
    lmtp: { enabled: true, host: '0.0.0.0', port: 10024 },
    api: { enabled: true, host: '0.0.0.0', port: 8080, secure: false, accessToken: secret('api_token') },
    metrics: { enabled: true, host: '0.0.0.0', port: 8081 },
    sender: { enabled: true, zone: 'default' },
    webhooks: { enabled: true }
};
