/** torch: one that is there, else one of our own in .venv. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { installedTorch, locateTorch, oldestTorch } from './locate_torch.mjs';
import { withLock } from './locks.mjs';
import { environments, root } from './places.mjs';
import { SetupError, runTool, step } from './steps.mjs';

const [environment] = environments();
const place = path.relative(root, environment).startsWith('..') ? environment : path.relative(root, environment);
/** Present while packages are being installed: an environment that has it is half an environment. */
const marker = path.join(environment, '.installing');

/** The torch to use. */
export async function findOrInstallTorch() {
  const there = usableTorch();
  if (there) return there;
  return withLock('python', async () => usableTorch() ?? install());
}

function usableTorch() {
  const { found, attempts } = locateTorch({ root });
  if (!found && process.env.FLOTILLA_TORCH)
    throw new SetupError(
      `FLOTILLA_TORCH names no usable torch: ${attempts[0].path}: ${attempts[0].detail}`,
      `let it name a torch package of version ${oldestTorch} or newer (the folder with lib/ and include/), or unset it`,
    );
  return found?.path?.startsWith(environment + path.sep) && existsSync(marker) ? null : found;
}

async function install() {
  await step(`torch ${installedTorch} and numpy into ${place}`, async (tell) => {
    rmSync(environment, { recursive: true, force: true });
    mkdirSync(environment, { recursive: true });
    writeFileSync(marker, '');
    tell('making it');
    await runTool('python3', ['-m', 'venv', environment], {
      fix: 'install Python 3.11 or newer with its venv module (Debian: apt install python3 python3-venv), or set FLOTILLA_TORCH to an installed torch package',
    });
    const index = process.env.FLOTILLA_TORCH_INDEX;
    const fix =
      'check that pip can reach a package index; FLOTILLA_TORCH_INDEX names one for torch (on a machine without a GPU, the CPU wheels of pytorch.org), FLOTILLA_TORCH a torch that is already installed';
    const onLine = (/** @type {string} */ line) => {
      const doing = pipProgress(line);
      if (doing) tell(doing);
    };
    const install = (/** @type {readonly string[]} */ args) =>
      runTool(
        path.join(environment, 'bin', 'python3'),
        ['-m', 'pip', 'install', '--no-input', '--progress-bar', 'off', ...args],
        { fix, onLine },
      );
    // A local version such as 2.13.0+cpu, where pip is configured to find one, counts as newer than 2.13.0 and is taken.
    await install([...(index ? ['--index-url', index] : []), `torch==${installedTorch}`]);
    await install(['numpy']);
    rmSync(marker);
  });
  const { found } = locateTorch({ root });
  if (!found) throw new SetupError('torch was installed but cannot be found', `remove ${environment} and try again`);
  if (found.cuda && !hasGpu())
    console.error(
      'set-up: note: pip found only the CUDA build of torch, on a machine without a GPU; it works, but takes more disk (FLOTILLA_TORCH_INDEX)',
    );
  return found;
}

/** What pip says that it does, without addresses: `Downloading torch-2.13.0-….whl (190 MB)`; null for the rest. @param {string} line */
function pipProgress(line) {
  if (line.startsWith('Installing collected packages')) return 'unpacking and installing';
  if (!/^ *(Collecting|Downloading|Processing|Using cached) /.test(line)) return null;
  const text = line.trim().replace(/https?:\S*\/|(?<= )\/\S*\//g, '');
  return text.length > 70 ? `${text.slice(0, 69)}…` : text;
}

function hasGpu() {
  return existsSync('/proc/driver/nvidia/version') || spawnSync('nvidia-smi', ['-L']).status === 0;
}
