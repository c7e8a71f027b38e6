/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit codes: a contract with scripts, the same for every command. Never renumber.
 */
#ifndef TOKPROF_EXIT_CODES_H
#define TOKPROF_EXIT_CODES_H

enum exit_code {
	EXIT_CODE_DONE = 0, /* done; verify: everything confirmed */
	EXIT_CODE_REFUTED = 1, /* verify: something refuted */
	EXIT_CODE_USAGE = 2, /* wrong usage or bad input */
	EXIT_CODE_INCONCLUSIVE = 3, /* verify: nothing refuted, something inconclusive */
	EXIT_CODE_PRIVILEGE = 4, /* missing privilege or kernel feature */
	EXIT_CODE_TARGET = 5, /* the target is gone or is no server */
	EXIT_CODE_INTERRUPTED = 130, /* ^C before there was a result (128 + SIGINT, as shells have it) */
	EXIT_CODE_BUG = 70, /* a bug in tokprof (EX_SOFTWARE of sysexits.h) */
};

#endif
