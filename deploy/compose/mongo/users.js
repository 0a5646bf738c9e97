// Makes the users of MongoDB when the volume is new. The image runs it with mongosh from /docker-entrypoint-initdb.d.

const roles = {
    duckwatch: [
        { role: 'read', db: 'zone-mta' },
        { role: 'read', db: 'wildduck' }
    ],
    zonemta: [{ role: 'readWrite', db: 'zone-mta' }],
    wildduck: [
        { role: 'readWrite', db: 'wildduck' },
        { role: 'readWrite', db: 'zone-mta' }
    ]
};

for (const [user, granted] of Object.entries(roles)) {
    const pwd = require('fs').readFileSync(`/run/secrets/${user}_password`, 'utf8').trim();
    db.getSiblingDB('admin').createUser({ user, pwd, roles: granted });
}
