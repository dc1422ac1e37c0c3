#Requires -Version 5.1

<#
.SYNOPSIS
    Runs the plan of this project with PowerShell and merges the results.

.DESCRIPTION
    `orchestrate feed` prints the id of a task the moment it may start and a slot is free. For each id this script
    starts `orchestrate exec`, which runs the task and records what became of it. So the script may be ended at any
    moment and started again: it goes on where it stopped. With -WhatIf it says what would be run, and in which order.

    It was written by `orchestrate launch`; change it by calling that again. No text of the plan is in it.

    Exit codes: 0 done, 1 tasks failed or gaps in the result, 3 cannot go on, 4 stopped for now: start it again later,
    130 interrupted. A wrong parameter is refused by PowerShell itself, with 1.

.PARAMETER Jobs
    How many tasks run at a time.

.PARAMETER Engine
    Pool: a runspace pool. Jobs: a background job for each task, which is slower and does with cmdlets alone, where a
    policy allows no more (constrained language mode).

.PARAMETER ByStage
    Start nothing of a stage before all of the stage before it has ended.

.PARAMETER NoMerge
    Leave out the check of the results and their merging at the end.

.EXAMPLE
    pwsh -File .orchestrator/launch/run.ps1 -Jobs 8

.EXAMPLE
    powershell -ExecutionPolicy Bypass -File .orchestrator\launch\run.ps1 -WhatIf
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidateRange(1, 9999)]
    [int] $Jobs = 8,

    [ValidateSet('Pool', 'Jobs')]
    [string] $Engine = 'Pool',

    [switch] $ByStage,

    [switch] $NoMerge
)

$ErrorActionPreference = 'Stop'

# What starts the program, and what feed and exec are given, as words and as parts of the one line that .NET takes. A
# letter that is not ASCII stands here as its code, because Windows PowerShell would read it wrongly.
$launch = @{
    Files = @([regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} %PATH% \u2018 \ud83d\ude80/.venv/bin/python'), [regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} %PATH% \u2018 \ud83d\ude80/orchestrate.py'))
    Given = @('--dir', [regex]::Unescape('/srv/L\u00e4ufe/[1]'), '--executor', 'command', '--command', [regex]::Unescape('agent ''a b'' "c" \\ ~ * \u00fc\u000a{% raw %}'), '--scale', '0.5')
    Before = [regex]::Unescape('"/home/j\u00f6rg/-it''s [x] \\"q\\" `b` $(touch pwned) {{ 7 * 7 }} %PATH% \u2018 \ud83d\ude80/orchestrate.py"')
    Place = [regex]::Unescape('--dir /srv/L\u00e4ufe/[1]')
    Options = [regex]::Unescape('--dir /srv/L\u00e4ufe/[1] --executor command --command "agent ''a b'' \\"c\\" \\ ~ * \u00fc\u000a{% raw %}" --scale 0.5')
    Id = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'
}
$folder = Split-Path -Path $PSScriptRoot -Parent
$project = [regex]::Unescape('/home/j\u00f6rg/-it''s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} %PATH% \u2018 \ud83d\ude80')
$isFull = "$($ExecutionContext.SessionState.LanguageMode)" -eq 'FullLanguage'
$feeding = @('feed', '--jobs', "$Jobs")
if ($ByStage) {
    $feeding += '--by-stage'
}

# Code is that of the last command; Result is the script's, and null until all is done. Ending and Listing are how the
# commands begin that an interruption takes: where that is told of, no function can be called.
$state = @{
    Code = 0
    Result = $null
    Feed = $null
    Begun = $null
    Ending = $null
    Listing = $null
    Shown = Get-Date
}

# A line for a person, on stderr.
function Write-Note {
    param([string] $Message)
    if ($isFull) {
        [Console]::Error.WriteLine("run.ps1: $Message")
    }
    else {
        Write-Warning -Message $Message
    }
}

# How .NET starts this program: a command with its arguments in one line, in the folder of the project.
function Get-StartInfo {
    param([string] $Line)
    $info = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $info.FileName = $launch.Files[0]
    $info.Arguments = "$($launch.Before) $Line"
    $info.WorkingDirectory = $project
    $info.UseShellExecute = $false
    $info
}

# Makes ready what an interruption takes. A feed whose input ends at once ends what the feed before it has begun.
function Initialize-Ending {
    $state.Ending = Get-StartInfo -Line "feed --tied $($launch.Options)"
    $state.Ending.RedirectStandardInput = $true
    $state.Ending.RedirectStandardOutput = $true
    $state.Listing = Get-StartInfo -Line "list --agents $($launch.Place)"
}

# Runs a command whose words need no quoting, and leaves its exit code in the state.
function Invoke-Orchestrate {
    param([string[]] $Word)
    if ($Engine -eq 'Pool') {
        $process = [Diagnostics.Process]::Start((Get-StartInfo -Line "$($Word -join ' ') $($launch.Place)"))
        while (-not $process.WaitForExit(50)) {
            continue
        }
        $state.Code = $process.ExitCode
    }
    else {
        Push-Location -LiteralPath $project
        & "$($launch.Files[0])" "$($launch.Files[1])" @Word "$($launch.Given[0])" "$($launch.Given[1])"
        $state.Code = $LASTEXITCODE
        Pop-Location
    }
}

# Shows about once a second what is running and how far the run is.
function Write-State {
    param([hashtable] $Running)
    $now = Get-Date
    if (($now - $state.Shown).TotalSeconds -lt 1) {
        return
    }
    $state.Shown = $now
    try {
        $all = [IO.Directory]::GetFiles("$folder/agent_tasks", '*.md').Length
        $done = [IO.Directory]::GetFiles("$folder/results", '*-result.md').Length
    }
    catch {
        return
    }
    $ids = @($Running.Values | ForEach-Object -Process { $_.Id } | Sort-Object)
    $status = '{0} of {1} results; running: {2}' -f $done, $all, ($ids -join ' ')
    $percent = [Math]::Min(100, [int](100 * $done / [Math]::Max(1, $all)))
    Write-Progress -Activity 'Running the plan' -Status $status -PercentComplete $percent
}

# Runs what the feed prints in a runspace pool, and leaves the feed's exit code in the state.
function Invoke-Pool {
    param([string[]] $Feeding)
    $work = {
        param($Info, $Begun)
        $ErrorActionPreference = 'Stop'
        $process = [Diagnostics.Process]::Start($Info)
        $Begun[$process.Id] = $process
        $null = $process.StandardOutput.ReadToEnd()
        $process.WaitForExit()
        $Begun.Remove($process.Id)
    }
    $state.Begun = [hashtable]::Synchronized(@{})
    Initialize-Ending
    # The feed keeps to the number of slots. A process that has recorded its task takes a moment longer to end.
    $pool = [runspacefactory]::CreateRunspacePool(1, 2 * $Jobs)
    $pool.Open()

    # This script holds the other end of the feed's input. Where that ends, the feed ends every worker and itself.
    $info = Get-StartInfo -Line "$($Feeding -join ' ') --tied $($launch.Options)"
    $info.RedirectStandardInput = $true
    $info.RedirectStandardOutput = $true
    $terminal = $env:TERM
    $env:TERM = 'dumb' # it prints plain lines, because what moves is shown by this script
    $feed = [Diagnostics.Process]::Start($info)
    $state.Feed = $feed
    $env:TERM = $terminal

    $running = @{}
    $number = 0
    $isFed = $true
    $next = $feed.StandardOutput.ReadLineAsync()
    while ($isFed -or $running.Count -gt 0) {
        if (-not $isFed) {
            Start-Sleep -Milliseconds 10
        }
        elseif ($next.Wait(10)) {
            $id = $next.Result
            if ($null -eq $id) {
                $isFed = $false
            }
            else {
                $next = $feed.StandardOutput.ReadLineAsync()
                if ($id -match $launch.Id) {
                    $info = Get-StartInfo -Line "exec --fed --jobs $Jobs $($launch.Options) $id"
                    $info.RedirectStandardOutput = $true
                    $shell = [powershell]::Create()
                    $shell.RunspacePool = $pool
                    $null = $shell.AddScript($work.ToString()).AddArgument($info).AddArgument($state.Begun)
                    $number += 1
                    $running[$number] = @{ Id = $id; Shell = $shell; Handle = $shell.BeginInvoke() }
                }
            }
        }
        foreach ($key in @($running.Keys)) {
            $one = $running[$key]
            if ($one.Handle.IsCompleted) {
                $running.Remove($key)
                try {
                    $null = $one.Shell.EndInvoke($one.Handle)
                }
                catch {
                    Write-Note -Message "$($one.Id) was not started, and will be given out again: $_"
                }
                $one.Shell.Dispose()
            }
        }
        Write-State -Running $running
    }
    while (-not $feed.WaitForExit(50)) {
        continue
    }
    $state.Code = $feed.ExitCode
    $pool.Dispose()
    Write-Progress -Activity 'Running the plan' -Completed
}

# Runs what the feed prints as background jobs, and leaves the feed's exit code in the state. PowerShell kills the feed
# at Ctrl-C: then each of the jobs, which are tied to it, ends its worker and puts the task back.
function Invoke-JobEngine {
    param([string[]] $Feeding)
    $work = {
        param($Launch, $Project, $Jobs, $Id)
        Set-Location -LiteralPath $Project -ErrorAction Stop
        & "$($Launch.Files[0])" "$($Launch.Files[1])" exec --fed --tied --jobs "$Jobs" `
            "$($Launch.Given[0])" "$($Launch.Given[1])" "$($Launch.Given[2])" "$($Launch.Given[3])" "$($Launch.Given[4])" "$($Launch.Given[5])" "$($Launch.Given[6])" "$($Launch.Given[7])" "$Id"
    }
    $begun = @()
    if ($isFull) {
        Initialize-Ending
    }
    Push-Location -LiteralPath $project
    & "$($launch.Files[0])" "$($launch.Files[1])" @Feeding `
        "$($launch.Given[0])" "$($launch.Given[1])" "$($launch.Given[2])" "$($launch.Given[3])" "$($launch.Given[4])" "$($launch.Given[5])" "$($launch.Given[6])" "$($launch.Given[7])" |
        ForEach-Object -Process {
            if ("$_" -match $launch.Id) {
                $begun += Start-Job -Name "$_" -ScriptBlock $work -ArgumentList $launch, $project, $Jobs, "$_"
            }
            $left = @()
            foreach ($job in $begun) {
                if ('Completed', 'Failed', 'Stopped' -contains "$($job.State)") {
                    if ("$($job.State)" -ne 'Completed') {
                        Write-Note -Message "$($job.Name) was not started, and will be given out again"
                    }
                    Remove-Job -Job $job -Force
                }
                else {
                    $left += $job
                }
            }
            $begun = $left
        }
    $state.Code = $LASTEXITCODE
    Pop-Location
    if ($begun.Count -gt 0) {
        $null = Wait-Job -Job $begun
        Remove-Job -Job $begun -Force
    }
    $state.Ending = $null
}

if ($Engine -eq 'Pool' -and -not $isFull) {
    Write-Note -Message 'a policy of this machine allows no runspace pool. Try: -Engine Jobs'
    exit 3
}
if ($Engine -eq 'Jobs' -and $PSVersionTable.PSVersion.Major -lt 7) {
    Write-Note -Message 'Windows PowerShell would hand an option on wrongly. Try: -Engine Pool, or pwsh'
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

$encoding = $null
try {
    if ($isFull) {
        try {
            $encoding = [Console]::OutputEncoding
            $OutputEncoding = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
            [Console]::OutputEncoding = $OutputEncoding
        }
        catch {
            Write-Verbose -Message "there is no console: $_"
        }
        $isWanted = $PSCmdlet.ShouldProcess($project, "Run the plan, $Jobs tasks at a time")
    }
    else {
        $isWanted = -not $WhatIfPreference
    }
    # Exit codes are judged here; newer versions can be set to take them for errors.
    Set-Variable -Name PSNativeCommandUseErrorActionPreference -Value $false -WhatIf:$false

    if ($isWanted) {
        if ($Engine -eq 'Pool') {
            Invoke-Pool -Feeding $feeding
        }
        else {
            Invoke-JobEngine -Feeding $feeding
        }
        $code = $state.Code
        if (0, 1, 2, 3, 4, 130 -notcontains $code) {
            Write-Note -Message 'the feed was killed. Start the script again: it goes on where it stopped'
            $code = 4
        }
        if (-not $NoMerge -and $code -le 1) {
            foreach ($command in 'check', 'merge') {
                Invoke-Orchestrate -Word $command
                if ($state.Code -ne 0) {
                    $code = 1
                }
            }
        }
        if (2, 3 -notcontains $code) {
            Invoke-Orchestrate -Word 'list', '--agents'
        }
        $state.Result = $code
    }
    else {
        Invoke-Orchestrate -Word 'feed', '--dry-run', '--jobs', "$Jobs"
        $state.Result = $state.Code
    }
}
catch {
    Write-Note -Message "$_"
    $state.Result = 3
}
finally {
    # .NET alone: after Ctrl-C newer versions run no cmdlet here.
    if ($null -ne $state.Ending) {
        try {
            if ($null -eq $state.Feed -and $null -eq $state.Result) {
                $state.Feed = [Diagnostics.Process]::Start($state.Ending)
            }
            if ($null -ne $state.Feed -and -not $state.Feed.HasExited) {
                $state.Feed.StandardInput.Close()
                if (-not $state.Feed.WaitForExit(20000)) {
                    $state.Feed.Kill()
                }
            }
            # The feed has ended every worker by now. What is left would not end, or has lost its feed.
            if ($null -ne $state.Begun) {
                foreach ($process in $state.Begun.Clone().Values) {
                    if (-not $process.HasExited) {
                        if ($PSVersionTable.PSVersion.Major -ge 7) {
                            $process.Kill($true)
                        }
                        else {
                            [Diagnostics.Process]::Start('taskkill.exe', "/PID $($process.Id) /T /F").WaitForExit()
                        }
                    }
                }
            }
            if ($null -eq $state.Result) {
                [Diagnostics.Process]::Start($state.Listing).WaitForExit()
            }
        }
        catch {
            [Console]::Error.WriteLine("run.ps1: $_")
        }
    }
    if ($null -ne $encoding) {
        [Console]::OutputEncoding = $encoding
    }
    if ($null -eq $state.Result) {
        exit 130
    }
}
exit $state.Result
