/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>

#include "userspace/command.h"
#include "userspace/message.h"
#include "userspace/sensors.h"
#include "userspace/stream.h"
#include "userspace/terminal.h"

enum {
	OPTION_JSON = 256,
};

extern const struct command command_doctor;

static int run(int argc, char **argv)
{
	struct sensor sensors[MAX_SENSORS];
	struct options o;
	bool json = false;
	size_t n;
	int key, rc;

	options__begin(&o, &command_doctor, argc, argv);
	while ((key = options__next(&o)) > 0)
		json = json || key == OPTION_JSON;
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands)
		return options__fail(&command_doctor, "%s: the command takes no operand", o.operands[0]);

	/* A probe that fails is an answer here, not an incident for the library to report. */
	if (message__verbosity() < 2)
		libbpf_set_print(NULL);
	n = sensors__gather(collectors, "", sensors, MAX_SENSORS);
	if (json)
		rc = sensors__write_json(stdout, sensors, n);
	else
		rc = sensors__write_text(stdout, sensors, n, terminal__columns(stdout), terminal__has_color(stdout));
	return stream__finish(stdout, "standard output", rc);
}

static const struct option_spec doctor_options[] = {
	{ OPTION_JSON, "json", NULL, "print JSON (schema tokprof.doctor/1)" },
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
		    "  tokprof doctor --json | jq '.sensors[] | select(.grade == \"unavailable\")'",
	.run = run,
};
