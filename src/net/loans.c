/* SPDX-License-Identifier: MIT
 *
 * Counting loans (loans.h); what follows from it for a session is in h2_debts.c. */
#include "net/loans.h"

enum { COST_SECONDS = 60, COST_LEAST_US = 100 * 1000 };

void loans_init(struct loans *loans, size_t most)
{
    *loans = (struct loans){ .most = most };
    list_init(&loans->borrowers);
}

static void set_lent(struct loans *loans, struct loan *loan, size_t lent)
{
    loans->lent += lent - loan->lent;
    loan->lent = lent;
    if (lent != 0 && !list_is_linked(&loan->among)) {
        list_push_back(&loans->borrowers, &loan->among);
    } else if (lent == 0 && list_is_linked(&loan->among)) {
        list_remove(&loan->among);
    }
}

bool loan_changed(struct loans *loans, struct loan *loan, time_us now)
{
    size_t all = loan->due + loan->calls;
    size_t lent = all > LOAN_OWN && !loan->is_forgiven ? all - LOAN_OWN : 0;
    if (lent == loan->lent) {
        return true;
    }
    if (loan->lent == 0) {
        loan->since = now;
        loan->moved = 0;
    }
    set_lent(loans, loan, lent);
    return loans->lent <= loans->most;
}

/* As much as it owes has moved: it is as good as a new one. */
void loan_moved(struct loan *loan, size_t bytes, time_us now)
{
    loan->moved += bytes;
    if (loan->moved >= loan->due) {
        loan->moved = 0;
        loan->since = now;
    }
}

static double cost_of(const struct loan *loan, time_us now)
{
    time_us age = loan->due != 0 ? now - loan->since : 0;
    age = age < COST_SECONDS * TIME_SECOND ? age : COST_SECONDS * TIME_SECOND;
    return (double)loan->lent * (double)(age + COST_LEAST_US);
}

struct loan *loans_costliest(struct loans *loans, time_us now)
{
    struct loan *worst = NULL;
    LIST_EACH(node, &loans->borrowers)
    {
        struct loan *loan = CONTAINER_OF(node, struct loan, among);
        if (worst == NULL || cost_of(loan, now) > cost_of(worst, now)) {
            worst = loan;
        }
    }
    assert_that(worst != NULL);
    return worst;
}

void loan_forgive(struct loans *loans, struct loan *loan)
{
    loan->is_forgiven = true;
    set_lent(loans, loan, 0);
}
