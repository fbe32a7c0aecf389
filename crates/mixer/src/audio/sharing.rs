//! Which outputs share an encoder: those of one format that leave out the same of the inputs that are heard.

use super::input::{Input, InputId};
use super::output::{Excluded, Group, Output, OutputFormat, OutputId, OutputOptions, OutputStats};
use super::{AudioMixer, MixerError, OUTPUTS_MAX, check_channels, check_pcm};

/// Encoders without an output that are kept for the next one who speaks. More are let go.
const SPARE_GROUPS_MAX: usize = 16;

impl AudioMixer {
    /// Adds an output.
    ///
    /// # Errors
    /// When there are too many, it leaves out too many inputs or one that is not there, or the codec is not built in.
    pub fn add_output(&mut self, options: &OutputOptions<'_>) -> Result<OutputId, MixerError> {
        if self.outputs.len() >= OUTPUTS_MAX {
            return Err(MixerError::TooManyOutputs);
        }
        check_format(options.format)?;
        let exclude = self.excluded(options.exclude)?;
        let id = OutputId(self.ids + 1);
        let group = self.group_for(options.format, &effective(&self.inputs, &exclude), None)?;
        self.new_id();
        self.groups[group].members.push(id);
        let (frames_before, failed_before) = (self.groups[group].frames, self.groups[group].failed);
        let zero = 0u64;
        self.outputs.push(Output {
            id,
            format: options.format,
            exclude,
            group,
            frames_before: zero.wrapping_sub(frames_before),
            failed_before: zero.wrapping_sub(failed_before),
        });
        self.choose_bus();
        Ok(id)
    }

    /// Changes which inputs an output leaves out.
    ///
    /// # Errors
    /// When the output or an input is not there, or there are too many.
    pub fn set_exclude(&mut self, id: OutputId, exclude: &[InputId]) -> Result<(), MixerError> {
        let exclude = self.excluded(exclude)?;
        let index = self.output_index(id)?;
        self.outputs[index].exclude = exclude;
        self.regroup();
        Ok(())
    }

    /// Removes an output.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove_output(&mut self, id: OutputId) -> Result<(), MixerError> {
        let index = self.output_index(id)?;
        let output = self.outputs.remove(index);
        self.groups[output.group].members.retain(|member| *member != id);
        self.let_go_unused();
        self.choose_bus();
        Ok(())
    }

    /// Tells the encoder of an output, and so of all that share it, to expect `percent` (0 to 100) of loss.
    ///
    /// # Errors
    /// When the output is not there.
    pub fn set_expected_loss(&mut self, id: OutputId, percent: u8) -> Result<(), MixerError> {
        let index = self.output_index(id)?;
        self.groups[self.outputs[index].group].set_expected_loss(percent.min(100));
        Ok(())
    }

    /// Changes the bitrate of an output, which shares an encoder only with those that have the same from here on.
    ///
    /// # Errors
    /// When the output is not there, or the codec is not built in any more.
    pub fn set_bitrate(&mut self, id: OutputId, bits_per_second: u32) -> Result<(), MixerError> {
        let index = self.output_index(id)?;
        let OutputFormat::Encoded { format, complexity, in_band_fec, .. } = self.outputs[index].format else {
            return Ok(());
        };
        let wanted = OutputFormat::Encoded { format, complexity, in_band_fec, bitrate: bits_per_second };
        let from = self.outputs[index].group;
        if self.groups[from].members.len() == 1 {
            self.groups[from].format = wanted;
            self.groups[from].set_bitrate(bits_per_second);
        } else {
            let excluded = self.groups[from].excluded.clone();
            let to = self.group_for(wanted, &excluded, Some(from))?;
            self.change_group(index, to);
        }
        self.outputs[index].format = wanted;
        Ok(())
    }

    /// State of an output.
    ///
    /// # Errors
    /// When it is not there.
    pub fn output_stats(&self, id: OutputId) -> Result<OutputStats, MixerError> {
        let output = &self.outputs[self.output_index(id)?];
        let group = &self.groups[output.group];
        Ok(OutputStats {
            frames: output.frames_before.wrapping_add(group.frames),
            failed: output.failed_before.wrapping_add(group.failed),
            shared_by: group.members.len(),
        })
    }

    /// Gives every output the group that hears what it should.
    pub(super) fn regroup(&mut self) {
        for index in 0..self.outputs.len() {
            let (group, format) = (self.outputs[index].group, self.outputs[index].format);
            let wanted = effective(&self.inputs, &self.outputs[index].exclude);
            if self.groups[group].excluded == wanted {
                continue;
            }
            match self.group_for(format, &wanted, Some(group)) {
                Ok(to) => self.change_group(index, to),
                // It goes on with what it heard before, its own sound included, until who is heard changes again.
                Err(_) => self.stats.encoders_missing += 1,
            }
        }
        self.let_go_unused();
    }

    fn change_group(&mut self, output: usize, to: usize) {
        let output = &mut self.outputs[output];
        let from = std::mem::replace(&mut output.group, to);
        let id = output.id;
        output.frames_before =
            output.frames_before.wrapping_add(self.groups[from].frames).wrapping_sub(self.groups[to].frames);
        output.failed_before =
            output.failed_before.wrapping_add(self.groups[from].failed).wrapping_sub(self.groups[to].failed);
        self.groups[from].members.retain(|member| *member != id);
        self.groups[to].members.push(id);
    }

    /// The number of the group of `format` that leaves out `excluded`, made if need be to go on from `from`.
    fn group_for(
        &mut self,
        format: OutputFormat,
        excluded: &Excluded,
        from: Option<usize>,
    ) -> Result<usize, MixerError> {
        let used = |group: &Group| !group.members.is_empty();
        let same = |group: &Group| used(group) && group.format == format && group.excluded == *excluded;
        if let Some(group) = self.groups.iter().position(same) {
            return Ok(group);
        }
        let mut group = match self.spare.iter().position(|group| group.format == format) {
            Some(spare) => self.spare.swap_remove(spare),
            None => {
                let encoding = format.encoding(self.options.tick.ms());
                let encoder = encoding.map(|encoding| self.codecs.encoder(&encoding)).transpose()?;
                Group::new(format, encoder, self.bus)
            }
        };
        group.set_bus(self.bus);
        if let Some(from) = from {
            group.follow(&self.groups[from]);
        }
        group.excluded.clone_from(excluded);
        // Numbers of groups stay, so that outputs can keep them: one without outputs gives its place.
        match self.groups.iter().position(|group| !used(group)) {
            Some(free) => {
                let unused = std::mem::replace(&mut self.groups[free], group);
                self.keep_spare(unused);
                Ok(free)
            }
            None => {
                self.groups.push(group);
                Ok(self.groups.len() - 1)
            }
        }
    }

    /// Moves groups without outputs at the end of the list to those that are kept for later.
    fn let_go_unused(&mut self) {
        while self.groups.last().is_some_and(|group| group.members.is_empty()) {
            let Some(group) = self.groups.pop() else { return };
            self.keep_spare(group);
        }
    }

    fn keep_spare(&mut self, group: Group) {
        if self.spare.len() < SPARE_GROUPS_MAX {
            self.spare.push(group);
        }
    }

    fn excluded(&self, inputs: &[InputId]) -> Result<Excluded, MixerError> {
        let mut excluded = Excluded::new();
        for input in inputs {
            self.input_index(*input)?;
            if !excluded.contains(input) {
                excluded.try_push(*input).map_err(|_| MixerError::TooManyExcluded)?;
            }
        }
        excluded.sort_unstable();
        Ok(excluded)
    }

    /// Outputs lie in order of their ids.
    fn output_index(&self, id: OutputId) -> Result<usize, MixerError> {
        self.outputs.binary_search_by_key(&id, |output| output.id).map_err(|_| MixerError::UnknownOutput(id))
    }
}

/// Those of `exclude` that are or were a short while ago part of the mix.
fn effective(inputs: &[Input], exclude: &Excluded) -> Excluded {
    let counts = |id: &InputId| inputs.binary_search_by_key(id, |input| input.id).is_ok_and(|at| inputs[at].counts);
    exclude.iter().copied().filter(counts).collect()
}

fn check_format(format: OutputFormat) -> Result<(), MixerError> {
    match format {
        OutputFormat::Encoded { format, .. } => check_channels(format),
        OutputFormat::Pcm { sample_rate, channels } => check_pcm(sample_rate, channels),
    }
}
