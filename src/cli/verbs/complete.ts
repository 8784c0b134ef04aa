// Completion in shells.

import { Argument, type Command } from 'commander';
import { SHELLS, type Shell } from '../completion/scripts.ts';
import { act, examples } from './verb.ts';

const HOW = `
bash:  echo 'eval "$(fermat completion bash)"' >> ~/.bashrc
zsh:   echo 'eval "$(fermat completion zsh)"' >> ~/.zshrc
fish:  fermat completion fish > ~/.config/fish/completions/fermat.fish`;

export function completing(fermat: Command): void {
  fermat
    .command('completion')
    .description('print what a shell needs to complete verbs, flags, endpoints and regions')
    .addArgument(new Argument('<shell>').choices([...SHELLS]))
    .addHelpText('after', HOW)
    .addHelpText('after', examples('completion bash', 'completion zsh', 'completion fish'))
    .action(act(async (shell: Shell) => (await import('../completion.ts')).completion(shell)));

  fermat
    .command('complete', { hidden: true })
    .description('what could come next; asked by the scripts of `fermat completion`')
    .argument('[words...]')
    .action(act(async (words: string[]) => (await import('../completion.ts')).complete(fermat, words)));
}
