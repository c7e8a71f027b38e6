/* SPDX-License-Identifier: Apache-2.0 */
/* --events of a command: checked before anything is attached. */
#ifndef TOKPROF_COUNTERS_EVENTS_OPTION_H
#define TOKPROF_COUNTERS_EVENTS_OPTION_H

/* @return 0; -EINVAL after a message */
int events_option__check(const char *list);

#endif
