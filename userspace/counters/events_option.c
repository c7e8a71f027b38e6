/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/events_option.h"

#include <errno.h>
#include <string.h>

#include "userspace/counters/event_list.h"
#include "userspace/message.h"
#include "userspace/session.h"

int events_option__check(const char *text)
{
	char error[320], remedy[400];
	struct event_list list;

	if (strcmp(text, EVENTS_DEFAULT) == 0 || strcmp(text, EVENTS_NONE) == 0)
		return 0;
	if (event_list__parse(&list, text, error, sizeof(error), remedy, sizeof(remedy)) == 0)
		return 0;
	message__error(remedy[0] ? remedy : "tokprof list --events shows what there is", "%s", error);
	return -EINVAL;
}
