#Requires -Version 5.1

<#
.SYNOPSIS
    Works on the plan of this project with a fresh claude for each step, until it is done or cannot go on.

.DESCRIPTION
    `orchestrate loop` does the work: it reads what comes next from MAIN_TASK, calls claude for exactly that, and reads
    again. So the script may be ended at any moment and started again: it goes on where it stopped. With -WhatIf it
    says what comes next.

    It was written by `orchestrate launch`; change it by calling that again. No text of the plan is in it.

    Exit codes: 0 done, 1 blocked, 3 cannot go on, 4 stopped for now: start it again later, 130 interrupted. A wrong
    parameter is refused by PowerShell itself, with 1.

.PARAMETER Once
    One invocation of claude, and never wait.

.PARAMETER MaxIterations
    Stop after so many invocations.

.PARAMETER MaxMinutes
    Begin no invocation after so many minutes.

.PARAMETER BudgetUsd
    What all invocations may cost, in US dollars, with a point: 2.50.

.PARAMETER Interval
    Wait so many seconds between two invocations.

.PARAMETER Model
    The model of every invocation.

.EXAMPLE
    pwsh -File .orchestrator/launch/loop.ps1 -MaxIterations 20

.EXAMPLE
    powershell -ExecutionPolicy Bypass -File .orchestrator\launch\loop.ps1 -Once
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [switch] $Once,

    [ValidateRange(1, 999999)]
    [int] $MaxIterations,

    [ValidateRange(1, 999999)]
    [int] $MaxMinutes,

    [ValidatePattern('^[0-9.]+$')]
    [string] $BudgetUsd,

    [ValidatePattern('^[0-9.]+$')]
    [string] $Interval,

    [ValidatePattern('^[A-Za-z0-9._:/@\[\]-]+$')]
    [string] $Model
)

$ErrorActionPreference = 'Stop'

# What starts the program, as words and as parts of the one line that .NET takes. A letter that is not ASCII stands here
# as its code, because Windows PowerShell would read it wrongly.
$launch = @{
    Files = @([regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & \ud83d\ude80/.venv/bin/python'), [regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & \ud83d\ude80/orchestrate.py'))
    Given = @('--dir', [regex]::Unescape('/srv/L\u00e4ufe/[1]'), '--claude', [regex]::Unescape('/opt/it''s "new" \u00fc/claude'))
    Before = [regex]::Unescape('"/home/j\u00f6rg/-it''s [x] \\"q\\" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & \ud83d\ude80/orchestrate.py"')
    After = [regex]::Unescape('--dir /srv/L\u00e4ufe/[1] --claude "/opt/it''s \\"new\\" \u00fc/claude"')
}
$project = [regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & \ud83d\ude80')
$isFull = "$($ExecutionContext.SessionState.LanguageMode)" -eq 'FullLanguage'

# A line for a person, on stderr.
function Write-Note {
    param([string] $Message)
    if ($isFull) {
        [Console]::Error.WriteLine("loop.ps1: $Message")
    }
    else {
        Write-Warning -Message $Message
    }
}

if (-not $isFull -and $PSVersionTable.PSVersion.Major -lt 7) {
    Write-Note -Message 'Windows PowerShell would hand an option on wrongly. Try: pwsh'
    exit 3
}
foreach ($path in $launch.Files) {
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) {
        Write-Note -Message "$path is gone. Try: orchestrate launch, which writes this script anew"
        exit 3
    }
}
if (-not (Test-Path -LiteralPath $project -PathType Container)) {
    Write-Note -Message "there is no folder $project. Try: orchestrate launch in the folder of the project"
    exit 3
}

if ($isFull) {
    $isWanted = $PSCmdlet.ShouldProcess($project, 'Work on the plan with a fresh claude for each step')
}
else {
    $isWanted = -not $WhatIfPreference
}
if ($isWanted) {
    $words = @('loop')
    if ($Once) {
        $words += '--once'
    }
    if ($MaxIterations) {
        $words += @('--max-iterations', "$MaxIterations")
    }
    if ($MaxMinutes) {
        $words += @('--max-minutes', "$MaxMinutes")
    }
    if ($BudgetUsd) {
        $words += @('--budget-usd', $BudgetUsd)
    }
    if ($Interval) {
        $words += @('--interval', $Interval)
    }
    if ($Model) {
        $words += @('--model', $Model)
    }
}
else {
    $words = @('main-task', 'read')
}

$process = $null
$code = $null
try {
    # Exit codes are judged here; newer versions can be set to take them for errors.
    Set-Variable -Name PSNativeCommandUseErrorActionPreference -Value $false -WhatIf:$false
    if ($isFull) {
        $info = New-Object -TypeName System.Diagnostics.ProcessStartInfo
        $info.FileName = $launch.Files[0]
        $info.Arguments = "$($launch.Before) $($words -join ' ') $($launch.After)"
        $info.WorkingDirectory = $project
        $info.UseShellExecute = $false
        $process = [Diagnostics.Process]::Start($info)
        while (-not $process.WaitForExit(50)) {
            continue
        }
        $code = $process.ExitCode
    }
    else {
        Push-Location -LiteralPath $project
        & "$($launch.Files[0])" "$($launch.Files[1])" @words "$($launch.Given[0])" "$($launch.Given[1])" "$($launch.Given[2])" "$($launch.Given[3])"
        $code = $LASTEXITCODE
        Pop-Location
    }
}
catch {
    Write-Note -Message "$_"
    $code = 3
}
finally {
    # .NET alone: after Ctrl-C newer versions run no cmdlet here. The terminal has told the loop too, which ends claude.
    if ($null -eq $code) {
        if ($null -ne $process -and -not $process.WaitForExit(20000)) {
            $process.Kill()
        }
        exit 130
    }
}
exit $code
