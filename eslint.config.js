import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';
import { folders, nodeParts } from './architecture.js';

/** A folder imports only from folders above it, and only some use Node's own modules. */
const importOrder = folders.map(({ name, node }, i) => ({
  files: [`src/${name}/**/*.ts`],
  ignores: ['**/*.test.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...folders.slice(i + 1).map((below) => ({
            group: [`**/../${below.name}/*`, `**/../${below.name}/**`],
            message: `${name}/ stands above ${below.name}/ in the import order (architecture.js).`,
          })),
          ...(node ? [] : [{ group: ['node:*'], message: `${name}/ runs in a browser too: no Node modules.` }]),
        ],
      },
    ],
  },
}));

/** The parts of `engine/` that are not native run in a browser. */
const browserParts = folders
  .filter(({ node }) => node === 'some')
  .map(({ name }) => ({
    files: [`src/${name}/**/*.ts`],
    ignores: ['**/*.test.ts', ...nodeParts.map((part) => `src/${part}/**`)],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'ImportDeclaration[source.value=/^node:/]', message: 'Runs in a browser too: no Node modules.' },
      ],
    },
  }));

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.venv', 'runs', 'native/build', '.cache', '.gpu'] },
  eslint.configs.recommended,
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  ...importOrder,
  ...browserParts,
  {
    files: ['scripts/**/*.mjs', '*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
