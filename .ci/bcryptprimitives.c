// Stands in for a library of Windows that older versions of wine lack. The standard library of Rust gets the seeds of its
// hash tables from it.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return RtlGenRandom(data, (ULONG)length);
}
