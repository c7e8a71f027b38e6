/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, in the order of `tokprof --help`. A new one is one file in userspace/commands/ and two lines here. */
#include "userspace/command.h"

#include <stddef.h>

extern const struct command command_calibrate;
extern const struct command command_doctor;
extern const struct command command_flame;
extern const struct command command_list;
extern const struct command command_overhead;
extern const struct command command_record;
extern const struct command command_report;
extern const struct command command_verify;

const struct command *const commands[] = {
	&command_record, &command_report,   &command_flame, &command_verify, &command_calibrate, &command_doctor,
	&command_list,	 &command_overhead, NULL,
};
