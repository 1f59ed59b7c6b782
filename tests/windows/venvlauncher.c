/* What `venv` puts into an environment as its python.exe; the published Python comes without.
 *
 * As CPython's own does: it starts the Python that pyvenv.cfg names, tells it where the environment is, and ends it
 * when it is ended itself. */
#include <stdio.h>
#include <windows.h>

#define SIZE 4096

static int read_home(wchar_t *path, wchar_t *home)
{
    char line[SIZE];
    FILE *file = _wfopen(path, L"r");
    while (file && fgets(line, SIZE, file)) {
        if (strncmp(line, "home = ", 7) == 0) {
            line[strcspn(line, "\r\n")] = 0;
            return MultiByteToWideChar(CP_UTF8, 0, line + 7, -1, home, SIZE);
        }
    }
    return 0;
}

static const wchar_t *arguments(void)
{
    const wchar_t *rest = GetCommandLineW();
    int quoted = 0;
    while (*rest && (quoted || *rest != L' ')) {
        quoted ^= *rest++ == L'"';
    }
    return rest;
}

int wmain(void)
{
    static wchar_t own[SIZE], path[SIZE], home[SIZE], command[1 << 16];
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    STARTUPINFOW startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION child;
    DWORD code = 1;
    HANDLE job = CreateJobObjectW(NULL, NULL);

    GetModuleFileNameW(NULL, own, SIZE);
    wcscpy(path, own);
    *wcsrchr(path, L'\\') = 0;
    *wcsrchr(path, L'\\') = 0;
    wcscat(path, L"\\pyvenv.cfg");
    if (!read_home(path, home))
        return 106;
    _snwprintf(command, 1 << 16, L"\"%ls\\python.exe\"%ls", home, arguments());
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", own);
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
    GetStartupInfoW(&startup);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return 101;
    AssignProcessToJobObject(job, child.hProcess);
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return code;
}
