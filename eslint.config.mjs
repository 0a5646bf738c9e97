// What `make check` asks of the JavaScript: the plugin, its tests, and the programs that the tests' servers run.

import js from '@eslint/js';
import node from 'eslint-plugin-n';
import globals from 'globals';

export default [
    { ignores: ['**/.*/', 'build/', 'dist/'] },
    js.configs.recommended,
    { linterOptions: { reportUnusedDisableDirectives: 'error' } },
    {
        files: ['**/*.js'],
        // Node 16, the oldest that ZoneMTA 3 runs on.
        languageOptions: { ecmaVersion: 2021, sourceType: 'commonjs', globals: globals.node },
        plugins: { n: node },
        rules: {
            strict: ['error', 'global'],
            eqeqeq: 'error',
            'prefer-const': 'error',
            'no-var': 'error',
            'no-shadow': 'error',
            'no-implicit-globals': 'error',
            'no-throw-literal': 'error',
            'no-unused-vars': ['error', { caughtErrors: 'none' }],
            'consistent-return': 'error',
            'max-len': ['error', { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true }],
            'max-lines-per-function': ['error', { max: 40 }],
            'n/no-missing-require': 'error',
            'n/no-unsupported-features/node-builtins': 'error',
            'n/no-unsupported-features/es-builtins': 'error',
            'n/no-unsupported-features/es-syntax': 'error'
        }
    },
    {
        files: ['tests/**/*.js'],
        // A test's body and a server's script read from top to bottom; ZoneMTA's hooks end with `return next()`.
        rules: {
            'consistent-return': 'off',
            'max-lines-per-function': 'off',
            // Node 18 calls its test runner experimental.
            'n/no-unsupported-features/node-builtins': ['error', { ignores: ['test'] }]
        }
    },
    {
        files: ['deploy/compose/mongo/*.js'],
        // mongosh runs them: its names, and top-level code of a script.
        languageOptions: { globals: { db: 'readonly', rs: 'readonly', quit: 'readonly' } },
        rules: { strict: 'off', 'no-implicit-globals': 'off' }
    },
    {
        files: ['**/*.mjs'],
        languageOptions: { ecmaVersion: 2022, sourceType: 'module', globals: globals.node }
    }
];
