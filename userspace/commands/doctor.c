/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>

#include "userspace/command.h"
#include "userspace/memory/memory_check.h"
#include "userspace/message.h"
#include "userspace/sensors.h"
#include "userspace/stream.h"
#include "userspace/terminal.h"

enum {
	OPTION_JSON = 256,
	OPTION_SELF_CHECK,
};

#define CHECK_PASSES 8

extern const struct command command_doctor;

static int run(int argc, char **argv)
{
	struct sensor sensors[MAX_SENSORS];
	struct options o;
	struct memory_check check;
	bool json = false, self_check = false;
	size_t n;
	int key, rc;

	options__begin(&o, &command_doctor, argc, argv);
	while ((key = options__next(&o)) > 0) {
		json = json || key == OPTION_JSON;
		self_check = self_check || key == OPTION_SELF_CHECK;
	}
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands)
		return options__fail(&command_doctor, "%s: the command takes no operand", o.operands[0]);

	/* A probe that fails is an answer here, not an incident for the library to report. */
	if (message__verbosity() < 2)
		libbpf_set_print(NULL);
	n = sensors__gather(collectors, "", sensors, MAX_SENSORS);
	if (self_check)
		memory_check__run(&check, memory_check__root(), CHECK_PASSES);
	if (json)
		rc = sensors__write_json(stdout, sensors, n, self_check ? &check : NULL);
	else
		rc = sensors__write_text(stdout, sensors, n, terminal__columns(stdout), terminal__has_color(stdout));
	if (self_check && !json && !rc)
		memory_check__write_text(stdout, &check);
	return stream__finish(stdout, "standard output", rc);
}

static const struct option_spec doctor_options[] = {
	{ OPTION_JSON, "json", NULL, "print JSON (schema tokprof.doctor/1)" },
	{ OPTION_SELF_CHECK, "self-check", NULL,
	  "stream a known number of bytes from memory and print what each sensor of memory traffic saw of them" },
	{ 0, NULL, NULL, NULL },
};

const struct command command_doctor = {
	.name = "doctor",
	.summary = "what this host, kernel and privilege allow to be measured",
	.usage = "[OPTIONS]",
	.description = "Tries every sensor on this host and says for each whether its figures would be\n"
		       "measured, derived, self-reported or unavailable; where unavailable, why, and\n"
		       "what can be done about it. Needs no server. Run it as the user that records.",
	.options = doctor_options,
	.examples = "  tokprof doctor\n"
		    "  tokprof doctor --self-check\n"
		    "  tokprof doctor --json | jq '.sensors[] | select(.grade == \"unavailable\")'",
	.run = run,
};
