//! The one test binary. Where a new test goes:
//!
//! | file | kind | put it here when |
//! |---|---|---|
//! | `mod tests` in a stage | unit | it needs something private |
//! | `golden.rs` | a folder under `fixtures/cases/<a_sentence>/` is a test | files can show the behaviour; `PHONEMATCH_BLESS=1` rewrites the expectations and the diff is reviewed |
//! | `properties.rs` | proptest | it holds for all inputs: normalising twice is once; threads and row order change nothing; ledgers balance; no cell below k; no barred number out |
//! | `model.rs` | a naive single-threaded reference of the whole job | random small worlds must agree with it |
//! | `worlds.rs` | random small worlds, very many of them | it holds in all worlds; `PHONEMATCH_WORLDS=n` tries n of them |
//! | `analytics.rs` | small worlds and nights | where the export is counted: who is in which count |
//! | `suggestions.rs` | address books and nights | where lists are people's contacts: which pairs come out, and go again |
//! | `purposes.rs` | black box | the one command of each purpose in the README, on its fixtures |
//! | `conformance.rs` | the phone corpus | decisions equal the reference |
//! | `differential/` | proptest | tables and slow path decide alike on made-up numbers; the ignored one is the long run of twelve million |
//! | `privacy.rs` | canary | plant known numbers, run, search every byte of every output, log and error |
//! | `figures.rs` | nights | what advertisers are told of sizes: noise, ledger, budget, lists nearly the same |
//! | `distinguisher/` | thirty nights and a year | the best an advertiser can do, against what the ledger states; `PHONEMATCH_SECRETS=n` tries n secrets |
//! | `layout.rs` | Parquet | names, types, encodings, metadata, file modes |
//! | `pages.rs` | black box | what people read in `report.html` and advertisers in their pages |
//! | `input/` | the `input` stage | formats, columns, damaged and hostile files, random tables |
//! | `formats.rs` | cross product | the same rows in another file format, encoding or column type |
//! | `damage.rs` | cross product | truncated, corrupt, stale, full disk, two at once |
//! | `passes.rs` | budgets | lists that are larger than the job's memory: the same comes out |
//! | `trials.rs` | black box, small worlds | what a run of a sample comes to, and that a dry run leaves nothing |
//! | `messaging.rs` | nights | whom businesses write to: tiers, caps, the message history |
//! | `nights.rs` | black box | several runs of a job: chains, and `diff` |
//! | `fortnight.rs` | nights | fourteen of them under the shipped systemd unit, one of them bad |
//! | `kills.rs` | cross product | killed half-way |
//! | `faults.rs` | cross product | the system refuses: every size limit, every call that can fail (the ignored ones, which need `strace`) |
//! | `policies.rs` | policy files | what makes one, and what makes a file none; the ready ones under `fixtures/policies` |
//! | `validate.rs` | black box | what `validate` says of inputs sound and hostile, and the job's gates |
//! | `cli.rs` | black box | flags, exit codes, what is on which stream, README commands as written |
//! | `docs/` | pages | what the pages under `docs/` show, list and point at |
//! | `commands.rs` | black box | the commands that run no job, and what each says of itself |
//! | `settings.rs` | black box | which layer a setting is from; the schemas of job and policy |
//! | `exit_codes.rs` | black box | how each exit code is reached, and what is said then |
//! | `progress.rs` | terminal | what is shown of a run while it goes on |
//! | `told.rs` | black box | what Prometheus and OpenLineage learn of a run, however it ends |
//! | `store/` | a store on this machine | inputs and runs in object stores, and networks that fail; most of it needs the feature `object-store` |
//! | `tidy.rs` | house rules | what clippy cannot say: one door per dependency, fictional numbers only, file lengths |
//!
//! `support/` holds what they share: a scene (a folder with the files of a job), one way to start
//! the program, readers of what it wrote, and the keys computed a second time. Names are sentences.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::use_debug,
    reason = "a test that cannot go on has failed, and may say why"
)]

mod support;

mod analytics;
mod cli;
mod commands;
mod conformance;
mod damage;
mod differential;
mod distinguisher;
mod docs;
mod exit_codes;
mod faults;
mod figures;
mod formats;
mod fortnight;
mod golden;
mod input;
mod kills;
mod layout;
mod messaging;
mod model;
mod nights;
mod pages;
mod passes;
mod policies;
mod privacy;
mod progress;
mod properties;
mod purposes;
mod settings;
mod store;
mod suggestions;
mod tidy;
mod told;
mod trials;
mod validate;
mod worlds;
