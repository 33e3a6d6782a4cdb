/* SPDX-License-Identifier: MIT
 *
 * Names of an app's functions, also of static ones: read from its file while all is well, so that a
 * crash needs nothing but a search. An object that was stripped has those that it exports. */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "host/child.h"

struct symbol {
    uintptr_t begin, end;
    const char *name;
};

static struct symbol *symbols;
static size_t symbol_count;

struct image {
    const char *at;
    size_t size;
};

/* Within the file, or NULL. */
static const void *part(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset ? image->at + offset : NULL;
}

static const ElfW(Shdr) * find_table(const struct image *image, const ElfW(Ehdr) * head)
{
    const ElfW(Shdr) *sections =
        part(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof(ElfW(Shdr)));
    const ElfW(Shdr) *found = NULL;
    for (unsigned i = 0; sections != NULL && i < head->e_shnum; i++) {
        bool is_table = sections[i].sh_type == SHT_SYMTAB ||
                        (sections[i].sh_type == SHT_DYNSYM && found == NULL);
        if (is_table && sections[i].sh_link < head->e_shnum) {
            found = &sections[i];
        }
    }
    return found;
}

static void add(const ElfW(Sym) * from, const char *names, size_t names_size, uintptr_t base)
{
    if (ELF64_ST_TYPE(from->st_info) != STT_FUNC || from->st_shndx == SHN_UNDEF ||
        from->st_name >= names_size) {
        return;
    }
    uintptr_t begin = base + from->st_value;
    size_t size = from->st_size != 0 ? from->st_size : 1;
    symbols[symbol_count++] = (struct symbol){ begin, begin + size, names + from->st_name };
}

static int by_begin(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static void read_image(const struct image *image, uintptr_t base)
{
    const ElfW(Ehdr) *head = part(image, 0, sizeof *head);
    if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_shentsize != sizeof(ElfW(Shdr))) {
        return;
    }
    const ElfW(Shdr) *table = find_table(image, head);
    const ElfW(Shdr) *sections =
        part(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof(ElfW(Shdr)));
    if (table == NULL || sections == NULL) {
        return;
    }
    const ElfW(Shdr) *text = &sections[table->sh_link];
    const ElfW(Sym) *all = part(image, table->sh_offset, table->sh_size);
    const char *names = part(image, text->sh_offset, text->sh_size);
    bool is_whole = names != NULL && text->sh_size > 0 && names[text->sh_size - 1] == '\0';
    if (all == NULL || !is_whole) {
        return;
    }
    size_t count = table->sh_size / sizeof *all;
    symbols = mem_alloc((count + 1) * sizeof *symbols);
    for (size_t i = 0; i < count; i++) {
        add(&all[i], names, text->sh_size, base);
    }
    qsort(symbols, symbol_count, sizeof *symbols, by_begin);
}

void symbols_read(const char *file, const void *inside)
{
    Dl_info where;
    struct stat stat;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0 || stat.st_size <= 0 || dladdr(inside, &where) == 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    struct image image = { .size = (size_t)stat.st_size };
    void *at = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (at != MAP_FAILED) { /* and stays: names are in it */
        image.at = at;
        read_image(&image, (uintptr_t)where.dli_fbase);
    }
}

const char *symbols_find(uintptr_t address, uintptr_t *ret_begin)
{
    size_t from = 0, to = symbol_count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (symbols[middle].begin <= address) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (from == 0 || address >= symbols[from - 1].end) {
        return NULL;
    }
    *ret_begin = symbols[from - 1].begin;
    return symbols[from - 1].name;
}
