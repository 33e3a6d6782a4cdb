/* SPDX-License-Identifier: MIT
 *
 * Checks of the cases: what is said is what was wanted.
 */
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Objects;

final class Check {
    private Check() {}

    interface Action { void run() throws Exception; }

    static void same(String what, Object wanted, Object got) {
        if (!Objects.equals(wanted, got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }

    static void that(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError("not so: " + what);
        }
    }

    /** What the action throws, which must be of this type. */
    static <T extends Throwable> T thrown(Class<T> type, Action action) {
        try {
            action.run();
        } catch (Throwable error) {
            if (type.isInstance(error)) {
                return type.cast(error);
            }
            throw new AssertionError("wanted " + type.getSimpleName() + ", got " + error, error);
        }
        throw new AssertionError("wanted " + type.getSimpleName() + ", nothing was thrown");
    }

    static StatusRuntimeException refused(Status.Code code, Action action) {
        StatusRuntimeException error = thrown(StatusRuntimeException.class, action);
        same("status code (" + error.getMessage() + ")", code, error.getStatus().getCode());
        return error;
    }
}
