!> Data common to all columns of a CTSM run: parameters with their CTSM names, switches, and what the
!> model derives from both at start-up.
!>
!> Two generations: release-clm5.0 hard-codes the turnover times of the rates (as single-precision
!> quotients) and the two diffusivities, whatever the parameter file says; ctsm5.4 reads them.
!> CTSM: SoilBiogeochemDecompCascadeBGCMod (readParams, init_decompcascade_bgc, decomp_rate_constants_bgc),
!> SoilBiogeochemLittVertTranspMod (readParams).
module ctsm_parameters
   use, intrinsic :: iso_fortran_env, only: real32
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, node_depth
   implicit none (type, external)
   private

   public :: ctsm_parameter_set, ctsm_switches, ctsm_scheme
   public :: version_clm50
   public :: i_cwd, i_l1, i_l2, i_l3, i_s1, i_s2, i_s3
   public :: new_scheme, switches_from, century_temperature_function, spinup_threshold

   integer, parameter :: version_clm50 = 50
   integer, parameter :: version_ctsm54 = 54

   !> Pools in the order of this kernel.
   integer, parameter :: i_cwd = 1
   integer, parameter :: i_l1 = 2
   integer, parameter :: i_l2 = 3
   integer, parameter :: i_l3 = 4
   integer, parameter :: i_s1 = 5
   integer, parameter :: i_s2 = 6
   integer, parameter :: i_s3 = 7

   integer, parameter :: n_ctsm_parameters = 31
   integer, parameter :: n_ctsm_switches = 8

   real(dp), parameter, public :: freezing_point = 273.15_dp
   real(dp), parameter :: seconds_per_day = 86400.0_dp
   real(dp), parameter :: pi = 3.14159265358979323846_dp
   !> A spin-up factor nearer to 1 than this counts as 1.
   real(dp), parameter :: spinup_threshold = 0.000001_dp

   !> Parameters in the order in which Python passes them; the components must stay consecutive reals.
   type :: ctsm_parameter_set
      sequence
      !> Turnover times (yr).
      real(dp) :: tau_l1, tau_l2_l3, tau_s1, tau_s2, tau_s3, tau_cwd
      !> Respired fractions (1).
      real(dp) :: rf_l1s1, rf_l2s1, rf_l3s2, rf_s2s1, rf_s2s3, rf_s3s1, rf_cwdl2, rf_cwdl3
      !> Cellulose and lignin fractions of coarse woody debris (1).
      real(dp) :: cwd_fcel, cwd_flig
      !> Q10 above and below freezing (1); water potentials (MPa); oxygen floor (1); depth scale (m).
      real(dp) :: q10, froz_q10, minpsi_hr, maxpsi_hr, mino2lim, decomp_depth_efolding
      !> Diffusivities (m2 s-1), depth limits of cryoturbation (m), advective velocity (m s-1).
      real(dp) :: som_diffus, cryoturb_diffusion_k, max_altdepth_cryoturbation, max_depth_cryoturb, som_adv_flux
      !> C:N of the soil pools (gC gN-1).
      real(dp) :: cn_s1, cn_s2, cn_s3
      !> Days in the year by which rates are converted.
      real(dp) :: days_per_year
   end type ctsm_parameter_set

   type :: ctsm_switches
      integer :: version = version_ctsm54
      logical :: spinup = .false.
      logical :: use_lch4 = .false.
      logical :: anoxia = .false.
      logical :: anoxia_wtsat = .false.
      logical :: normalize_q10_to_century = .true.
      logical :: use_century_tfunc = .false.
      !> Close the lower boundary, which the model leaves leaking.
      logical :: conservative = .false.
   end type ctsm_switches

   type :: ctsm_scheme
      type(ctsm_switches) :: switches
      !> As the model uses them, the literals of clm5.0 in place.
      type(ctsm_parameter_set) :: parameters
      !> Rate of each pool before the scalars (s-1).
      real(dp) :: base_rate(n_pools)
      real(dp) :: spinup_factor(n_pools)
      real(dp) :: temperature_normalisation
      !> q10 ** (-25/10), the unfrozen function at the freezing point.
      real(dp) :: rate_at_freezing
      real(dp) :: log_potential_range
      real(dp) :: depth_scalar(n_layers)
   end type ctsm_scheme

contains

   !> Switches from the integers that Python passes.
   pure function switches_from(codes) result(switches)
      integer, intent(in) :: codes(n_ctsm_switches)
      type(ctsm_switches) :: switches

      switches = ctsm_switches(codes(1), codes(2) /= 0, codes(3) /= 0, codes(4) /= 0, codes(5) /= 0, &
                               codes(6) /= 0, codes(7) /= 0, codes(8) /= 0)
   end function switches_from

   !> All that follows from parameters and switches alone.
   pure function new_scheme(vector, switches) result(scheme)
      real(dp), intent(in) :: vector(n_ctsm_parameters)
      type(ctsm_switches), intent(in) :: switches
      type(ctsm_scheme) :: scheme
      type(ctsm_parameter_set) :: p

      p = transfer(vector, p)
      scheme%switches = switches
      scheme%spinup_factor = spinup_factors(p)
      if (switches%version == version_clm50) call put_literals_of_clm50(p)
      scheme%parameters = p
      scheme%base_rate = base_rates(p)
      scheme%rate_at_freezing = p%q10**(-25.0_dp/10.0_dp)
      scheme%temperature_normalisation = 1.0_dp
      if (switches%normalize_q10_to_century) scheme%temperature_normalisation = century_normalisation(p%q10)
      scheme%log_potential_range = log(p%minpsi_hr/p%maxpsi_hr)
      scheme%depth_scalar = exp(-node_depth(1:n_layers)/p%decomp_depth_efolding)
   end function new_scheme

   !> Accelerated-decomposition factors; clm5.0 too takes these from the parameter file.
   pure function spinup_factors(p) result(factor)
      type(ctsm_parameter_set), intent(in) :: p
      real(dp) :: factor(n_pools)

      factor = 1.0_dp
      factor(i_cwd) = max(1.0_dp, p%tau_cwd/2.0_dp)
      factor(i_s2) = max(1.0_dp, p%tau_s2)
      factor(i_s3) = max(1.0_dp, p%tau_s3)
   end function spinup_factors

   !> The numbers that release-clm5.0 uses in place of those of its parameter file.
   pure subroutine put_literals_of_clm50(p)
      type(ctsm_parameter_set), intent(inout) :: p

      p%tau_l1 = real(1.0_real32/18.5_real32, dp)
      p%tau_l2_l3 = real(1.0_real32/4.9_real32, dp)
      p%tau_s1 = real(1.0_real32/7.3_real32, dp)
      p%tau_s2 = real(1.0_real32/0.2_real32, dp)
      p%tau_s3 = real(1.0_real32/0.0045_real32, dp)
      p%tau_cwd = real(1.0_real32/0.3_real32, dp)
      p%som_diffus = 1.0e-4_dp/(seconds_per_day*365.0_dp)
      p%cryoturb_diffusion_k = 5.0e-4_dp/(seconds_per_day*365.0_dp)
   end subroutine put_literals_of_clm50

   pure function base_rates(p) result(rate)
      type(ctsm_parameter_set), intent(in) :: p
      real(dp) :: rate(n_pools)

      associate (seconds_per_year => seconds_per_day*p%days_per_year)
         rate(i_cwd) = 1.0_dp/(seconds_per_year*p%tau_cwd)
         rate(i_l1) = 1.0_dp/(seconds_per_year*p%tau_l1)
         rate(i_l2:i_l3) = 1.0_dp/(seconds_per_year*p%tau_l2_l3)
         rate(i_s1) = 1.0_dp/(seconds_per_year*p%tau_s1)
         rate(i_s2) = 1.0_dp/(seconds_per_year*p%tau_s2)
         rate(i_s3) = 1.0_dp/(seconds_per_year*p%tau_s3)
      end associate
   end function base_rates

   !> Makes the Q10 function meet the CENTURY function at 15 degC; about 0.82 at q10 = 1.5.
   pure function century_normalisation(q10) result(factor)
      real(dp), intent(in) :: q10
      real(dp) :: factor

      factor = (century_temperature_function(15.0_dp)/century_temperature_function(30.0_dp)) &
         /(q10**((15.0_dp - 25.0_dp)/10.0_dp))
   end function century_normalisation

   !> CENTURY's arctangent response to temperature (degC).
   pure function century_temperature_function(celsius) result(response)
      real(dp), intent(in) :: celsius
      real(dp) :: response

      response = 11.75_dp + (29.7_dp/pi)*atan(pi*0.031_dp*(celsius - 15.4_dp))
   end function century_temperature_function

end module ctsm_parameters
