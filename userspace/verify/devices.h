/* SPDX-License-Identifier: Apache-2.0 */
/* What data sheets say of accelerators: data/devices.tsv, which travels in the binary. */
#ifndef TOKPROF_VERIFY_DEVICES_H
#define TOKPROF_VERIFY_DEVICES_H

#include <stddef.h>

#define DEVICE_NAME 48

/* Figures are upper bounds: of a name that several variants share, each is the largest of them. NAN: not known. */
struct device {
	char name[DEVICE_NAME];		/* of the table, or as it was asked for */
	int n_variants;
	double memory_gb;		/* as the data sheet has it */
	double memory_bytes;		/* taken as 2^30 each, the larger reading */
	double bytes_per_s;
	double ops16_per_s, ops8_per_s, ops4_per_s;	/* 16-bit, 8-bit, 4-bit; with sparsity where the device has it */
};

/*
 * The device that a text names: "NVIDIA A100", "a100", "A100-SXM4-80GB". Whatever the text says beyond the name of the chip must
 * be true of a variant, so that no device gets the figures of another one. @return 0; -ENOENT: none that is known
 */
int devices__find(struct device *out, const char *text);
/* The same in another table. @return also -EINVAL: no table, and *line is the first wrong one */
int devices__find_in(struct device *out, const char *text, const char *table, size_t n, int *line);

#endif
